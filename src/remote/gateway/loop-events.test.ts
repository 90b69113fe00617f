import { describe, expect, it } from 'vitest';
import { EventCode } from '../../control/event-codes.ts';
import { EventWriter } from '../../control/events.ts';
import { ControlState, Request } from '../../core/control-state.ts';
import { ARM_SEGMENT_BYTES } from '../../segment/arm-layout.ts';
import { EventLog } from './event-log.ts';
import { LoopEvents } from './loop-events.ts';

function setUp() {
  const memory = new ArrayBuffer(ARM_SEGMENT_BYTES);
  const log = new EventLog(() => 1000);
  const clock = { nowNs: () => 5e9, unixS: () => 1000 };
  return { log, writer: new EventWriter(memory), events: new LoopEvents(memory, ['joint1'], log, clock) };
}

describe('events of the control loop', () => {
  it('reach the log once, in words, with the time at which they happened', () => {
    const { log, writer, events } = setUp();
    writer.push(3e9, EventCode.REQUEST_REFUSED, Request.START, ControlState.DAMPING);
    events.read();
    events.read();
    expect(log.recent.map(({ source, level, text, unixS }) => [source, level, text, unixS])).toEqual([
      ['arm', 'warning', 'START refused in DAMPING', 998],
    ]);
  });

  it('give states the colour they have on the page', () => {
    const { log, writer, events } = setUp();
    writer.push(0, EventCode.STATE, ControlState.RUNNING, ControlState.IDLE);
    writer.push(0, EventCode.STATE, ControlState.EMERGENCY_STOP, ControlState.RUNNING);
    events.read();
    expect(log.recent.map(({ level }) => level)).toEqual(['good', 'alarm']);
  });

  it('do not fill the log with every limit that shaped a command', () => {
    const { log, writer, events } = setUp();
    writer.push(0, EventCode.LIMITS, 1);
    events.read();
    expect(log.recent).toEqual([]);
  });
});
