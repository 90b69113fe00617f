import { afterEach, describe, expect, it } from 'vitest';
import { armDescription, loadKinematics } from '../arms/catalogue.ts';
import {
  ControlState,
  ErrorBit,
  Request,
  type RequestName,
  stateName,
  transition,
} from '../core/control-state.ts';
import { CollisionModel } from '../core/kinematics/collision.ts';
import { HoldReason } from './limit-bits.ts';
import type { LockStep } from './lock-step.ts';
import { LockSteps } from './lock-steps.ts';

const arms = new LockSteps();
const lockStep = arms.make;
afterEach(() => arms.close());

const bringTo: Readonly<Record<keyof typeof ControlState, (s: LockStep) => void>> = {
  IDLE: (s) => s.run(0.6),
  RUNNING: (s) => s.start(),
  PAUSED: (s) => {
    s.start();
    s.request('PAUSE');
    s.tick();
  },
  RESETTING: (s) => {
    s.start();
    s.request('RESET');
    s.tick();
  },
  EMERGENCY_STOP: (s) => {
    s.start();
    s.send(s.homeWith({ 0: 1 }));
    s.run(0.15, () => s.beat());
    s.request('STOP');
    s.tick();
  },
  DAMPING: (s) => {
    s.run(0.6);
    s.request('STOP');
    s.until(() => s.state === 'DAMPING');
  },
};
const states = Object.keys(bringTo) as (keyof typeof ControlState)[];
const requests = Object.keys(Request) as RequestName[];

describe('requests', () => {
  it.each(states.flatMap((state) => requests.map((request) => [state, request] as const)))(
    'in %s, %s does what the state machine says, in the same tick',
    (state, request) => {
      const s = lockStep({}, (arm) => arm.position.set([1, 1.2, 1.0, -0.5, 0.2, 0.1, 0.03]));
      bringTo[state](s);
      expect(s.state).toBe(state);
      const index = requests.indexOf(request);
      const { fields } = s.segment;
      const [handled, refused] = [fields.requestsHandled[index]!, fields.requestsRefused[index]!];
      const event = request.toLowerCase() as 'start';
      const next = transition(ControlState[state], event);
      s.request(request);
      s.tick();
      // A stop at rest has come to rest already.
      const after = stateName(next ?? ControlState[state]);
      const atOnce =
        request === 'STOP' && after === 'EMERGENCY_STOP' ? ['EMERGENCY_STOP', 'DAMPING'] : [after];
      expect(atOnce).toContain(s.state);
      expect(fields.acknowledgements).toBe(Request[request]);
      expect(fields.requests).toBe(0);
      expect(fields.requestsHandled[index]).toBe(handled + (next === undefined ? 0 : 1));
      expect(fields.requestsRefused[index]).toBe(refused + (next === undefined ? 1 : 0));
    },
  );

  it('that arrive together: a stop outranks all, and is latched', () => {
    const s = lockStep();
    s.start();
    s.request('START', 'PAUSE', 'RESET', 'STOP');
    s.tick();
    expect(['EMERGENCY_STOP', 'DAMPING']).toContain(s.state);
    expect([...s.segment.fields.requestsRefused]).toEqual([1, 1, 1, 0]);
    s.run(1, () => s.request('START', 'RESET'));
    expect(s.state).toBe('DAMPING');
    s.until(() => s.controller.finished);
  });

  it('that nobody knows are ignored', () => {
    const s = lockStep();
    s.segment.request(0xfffffff0);
    s.tick();
    expect(s.state).toBe('IDLE');
    expect(s.segment.fields.acknowledgements).toBe(0);
  });
});

describe('a stop', () => {
  it('in full motion comes to rest within limits, then damps, then ends', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 2 }), 30);
    s.run(0.4, () => s.beat());
    expect(s.vector('commandedVelocity')[0]).toBeGreaterThan(2);
    s.request('STOP');
    s.tick();
    expect(s.state).toBe('EMERGENCY_STOP');
    const ticks = s.until(() => s.state === 'DAMPING');
    expect(ticks * s.periodNs).toBeLessThan(0.6e9);
    expect(Math.max(...s.vector('commandedVelocity').map(Math.abs))).toBe(0);
    const written = s.arm.written;
    s.until(() => s.controller.finished);
    expect(s.arm.written).toBe(written);
    expect(s.arm.damped).toBeGreaterThanOrEqual(500);
    // Frames go on for as long as anyone ticks.
    const damped = s.arm.damped;
    s.run(0.1);
    expect(s.arm.damped).toBe(damped + 50);
  });

  it('follows the loss of the guardian', () => {
    const s = lockStep();
    s.start();
    s.controller.guardianLost(s.nowNs);
    s.until(() => s.controller.finished);
    expect(s.segment.fields.errors & ErrorBit.GUARDIAN).toBe(ErrorBit.GUARDIAN);
  });
});

describe('timers', () => {
  it('hold in the very tick in which the last action is a command timeout old, and go on with fresh ones', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 0.1 }), 4, { stepPeriodS: 0.1 });
    const lastRowNs = s.nowNs + 0.3e9;
    const ticks = s.until(() => (s.segment.fields.errors & ErrorBit.TIMEOUT) !== 0);
    expect(s.nowNs - lastRowNs).toBe(0.2e9);
    expect(ticks).toBe(250);
    expect(s.state).toBe('RUNNING');
    expect(s.scalar('holdReason')).toBe(HoldReason.NO_FRESH_ACTION);
    s.beat();
    s.send(s.homeWith({ 0: 0.2 }), 10);
    s.tick();
    expect(s.segment.fields.errors & ErrorBit.TIMEOUT).toBe(0);
    expect(s.scalar('holdReason')).toBe(HoldReason.NONE);
  });

  it('pause in the very tick in which the last heartbeat is a watchdog timeout old', () => {
    const s = lockStep();
    s.start();
    s.run(0.5, () => s.beat());
    const beatNs = s.nowNs;
    s.until(() => s.state === 'PAUSED');
    expect(s.nowNs - beatNs).toBe(1e9);
    expect(s.segment.fields.errors & (ErrorBit.TIMEOUT | ErrorBit.WATCHDOG)).toBe(
      ErrorBit.TIMEOUT | ErrorBit.WATCHDOG,
    );
    s.request('START');
    s.tick();
    expect(s.state).toBe('RUNNING');
    expect(s.segment.fields.errors).toBe(0);
  });

  it('hold in the very tick in which a commander that promised heartbeats is overdue, whatever rows are left', () => {
    const s = lockStep();
    s.start();
    s.beat();
    s.segment.fields.holdTimeoutS = 0.2;
    s.send(s.homeWith({ 0: 2.5 }), 60);
    s.run(0.2, () => s.beat());
    expect(s.vector('commandedVelocity')[0]).toBeGreaterThan(0.5);
    s.run(0.198);
    expect([s.state, s.scalar('holdReason')]).toEqual(['RUNNING', HoldReason.NONE]);
    s.tick();
    expect([s.state, s.scalar('holdReason')]).toEqual(['RUNNING', HoldReason.NO_FRESH_ACTION]);
    expect(s.scalar('errors') & ErrorBit.TIMEOUT).not.toBe(0);
    s.until(() => s.vector('commandedVelocity').every((v) => v === 0));
    expect(s.vector('commandedPosition')[0]).toBeLessThan(2.3);

    // Its heartbeat alone brings nothing back, a new chunk does.
    const rest = s.vector('commandedPosition')[0]!;
    s.run(0.1, () => s.beat());
    expect(s.vector('commandedPosition')[0]).toBe(rest);
    s.send(s.homeWith({ 0: 2.5 }), 60);
    s.run(1.5, () => s.beat());
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(2.5, 3);
  });

  it('hold a script of the first page to no promise that a commander before it made', () => {
    const s = lockStep();
    s.segment.fields.holdTimeoutS = 0.2;
    s.start();
    s.segment.fields.actions.set(Array.from({ length: 36 }, () => s.homeWith({ 0: 0.5 })).flat());
    s.segment.fields.actionCount = 36;
    s.scriptBeat();
    s.run(0.5);
    expect([s.state, s.scalar('holdReason')]).toEqual(['RUNNING', HoldReason.NONE]);
  });

  it('believe a heartbeat because it changes, not because of the time it claims', () => {
    const s = lockStep();
    s.start();
    s.segment.fields.inferenceTimestampS = Number.MAX_VALUE;
    s.run(0.99);
    expect(s.state).toBe('RUNNING');
    s.run(0.02);
    expect(s.state).toBe('PAUSED');
    s.request('START');
    s.tick();
    s.run(3, () => {
      s.segment.fields.inferenceTimestampS = -Math.random();
    });
    expect(s.state).toBe('RUNNING');
  });

  it.each([100, 1000])('work at %i Hz too', (controlFrequencyHz) => {
    const s = lockStep({ controlFrequencyHz });
    s.start();
    const ticks = s.until(() => s.state === 'PAUSED');
    expect(ticks).toBe(controlFrequencyHz);
  });
});

describe('whatever happens', () => {
  it('in minutes of everything at once, the commanded pose keeps to its limits', () => {
    let seed = 7;
    const random = (): number => {
      seed = (seed * 16807) % 2147483647;
      return seed / 2147483647;
    };
    const shape = new CollisionModel(loadKinematics(armDescription('X5')), armDescription('X5').home);
    let lowest = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 8; round++) {
      const s = lockStep({ tablePlaneZ: round % 3 === 0 ? Number.NaN : 0 });
      const { positionMin, positionMax } = s.description.limits;
      s.run(0.6);
      for (let k = 0; k < 4000; k++) {
        if (random() < 0.02) s.request('START');
        if (random() < 0.003) s.request('PAUSE');
        if (random() < 0.001) s.request('RESET');
        if (k > 3000 && random() < 0.001) s.request('STOP');
        if (random() < 0.2) s.beat();
        if (random() < 0.05) {
          const wild = random() < 0.1;
          const pose = Array.from(positionMin, (min, i) => {
            const q = min + random() * (positionMax[i]! - min);
            return wild && random() < 0.2
              ? [Number.NaN, Infinity, 1e308, -1e9][Math.floor(random() * 4)]!
              : q;
          });
          s.send(pose, 1 + Math.floor(random() * 40), {
            stepPeriodS: wild ? random() * 2 - 0.5 : 0.01 + 0.05 * random(),
            startNs: s.nowNs + (random() - 0.7) * 1e9,
            timestep: Math.floor(random() * 9),
          });
        }
        if (random() < 0.001) s.arm.silentSinceNs[Math.floor(random() * 7)] = s.nowNs;
        if (random() < 0.2) s.arm.silentSinceNs.fill(Number.POSITIVE_INFINITY);
        // A period is missed now and then.
        if (random() < 0.01) s.nowNs += s.periodNs * Math.floor(random() * 50);
        s.tick();
        const commanded = s.vector('commandedPosition');
        expect(commanded.every(Number.isFinite)).toBe(true);
        if (round % 3 !== 0 && k % 10 === 0) lowest = Math.min(lowest, shape.lowestZ(commanded));
      }
    }
    // The way of a stop is looked at in steps; what lies between them is seen to a fraction of a millimetre.
    expect(lowest).toBeGreaterThan(-1e-3);
  }, 90_000);
});
