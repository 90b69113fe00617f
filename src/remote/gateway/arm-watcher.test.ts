import { beforeEach, describe, expect, it } from 'vitest';
import { ControlState, ErrorBit } from '../../core/control-state.ts';
import { type ArmLook, ArmWatcher, holdWords } from './arm-watcher.ts';
import { EventLog } from './event-log.ts';

const calm: ArmLook = {
  controlState: ControlState.IDLE,
  errors: 0,
  holdReason: 0,
  requestsRefused: [0, 0, 0, 0],
  commanderPid: 0,
  commanderName: '',
};

describe('the arm watcher', () => {
  let log: EventLog;
  let watcher: ArmWatcher;
  const said = () => log.recent.map((event) => `${event.level}: ${event.text}`);
  beforeEach(() => {
    log = new EventLog(() => 0);
    watcher = new ArmWatcher(log);
    watcher.look(calm);
  });

  it('says the state it finds, and nothing more while nothing changes', () => {
    watcher.look(calm);
    watcher.look({ ...calm });
    expect(said()).toEqual(['info: is at rest and waits for Start']);
  });

  it('says every change of state, with the reason when the arm paused by itself', () => {
    watcher.look({ ...calm, controlState: ControlState.RUNNING });
    watcher.look({ ...calm, controlState: ControlState.PAUSED, holdReason: 2 });
    watcher.look({ ...calm, controlState: ControlState.EMERGENCY_STOP });
    expect(said().slice(1)).toEqual([
      'good: runs',
      'warning: is paused: nobody gives a heartbeat',
      'alarm: is being stopped',
    ]);
  });

  it('says new errors once', () => {
    const errors = ErrorBit.SAFETY | ErrorBit.OVER_TEMPERATURE;
    watcher.look({ ...calm, errors });
    watcher.look({ ...calm, errors });
    expect(said().slice(1)).toEqual(['alarm: reports: safety, over temperature']);
  });

  it('says who takes and who leaves the command', () => {
    watcher.look({ ...calm, commanderPid: 7, commanderName: 'infer' });
    watcher.look(calm);
    expect(said().slice(1)).toEqual([
      'good: is commanded by infer (process 7)',
      'warning: is not commanded by infer any more',
    ]);
  });

  it('says which request was refused, and in which state', () => {
    watcher.look({ ...calm, requestsRefused: [0, 1, 0, 0] });
    expect(said().slice(1)).toEqual(['warning: refused pause: not possible while idle']);
  });

  it('is not fooled by an array that is written in place', () => {
    const requestsRefused = [0, 0, 0, 0];
    watcher.look({ ...calm, requestsRefused });
    requestsRefused[0] = 1;
    watcher.look({ ...calm, requestsRefused });
    expect(said().at(-1)).toContain('refused start');
  });

  it('says when a running arm holds and when it moves on', () => {
    const running = { ...calm, controlState: ControlState.RUNNING };
    watcher.look(running);
    watcher.look({ ...running, holdReason: 1 });
    watcher.look(running);
    expect(said().slice(2)).toEqual(['warning: holds: no fresh action arrives', 'info: moves on']);
  });

  it('has words for every reason to hold, also for ones it does not know', () => {
    expect([0, 1, 99].map(holdWords)).toEqual([null, 'no fresh action arrives', 'reason 99']);
  });
});
