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
import { motionExtremes } from '../core/motion/finite-differences.ts';
import { ChunkRefusal, EventCode, FaultKind } from './event-codes.ts';
import { HoldReason, LimitBit } from './limit-bits.ts';
import { LockStep, MotorFault } from './lock-step.ts';

const open: LockStep[] = [];
function lockStep(...args: ConstructorParameters<typeof LockStep>): LockStep {
  const made = new LockStep(...args);
  open.push(made);
  return made;
}
afterEach(() => {
  for (const made of open.splice(0)) {
    expectWithinLimits(made);
    made[Symbol.dispose]();
  }
});

/** Every trace of every test: the commanded pose keeps to its limits by finite differences, first tick to last. */
function expectWithinLimits({ commanded, description, periodNs }: LockStep): void {
  commanded.forEach((positions, joint) => {
    const seen = motionExtremes(positions, description.limits, joint, periodNs / 1e9);
    expect(seen.velocity).toBeLessThanOrEqual(1);
    expect(seen.acceleration).toBeLessThanOrEqual(1);
    expect(seen.jerk).toBeLessThanOrEqual(1);
  });
}

function expectPose(s: LockStep, pose: readonly number[]): void {
  for (const [i, q] of s.vector('commandedPosition').entries()) expect(q).toBeCloseTo(pose[i]!, 3);
}

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

describe('chunks', () => {
  it('move the arm to where they say, and it stays there', () => {
    const s = lockStep();
    s.start();
    s.run(1, () => {
      s.beat();
      s.send(s.homeWith({ 0: 0.5, 3: -1.2 }));
    });
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(0.5, 4);
    expect(s.arm.position[0]).toBeCloseTo(0.5, 2);
    expect(s.scalar('chunkSequence')).toBeGreaterThan(400);
  });

  it('reach the motors in the tick after they are published', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 1 }));
    s.tick();
    s.tick();
    expect(s.vector('commandedAcceleration')[0]).toBeGreaterThan(0);
  });

  const nan = (value: number) => (s: LockStep) => s.send(s.homeWith({ 2: value }));
  const bad: readonly (readonly [string, number, (s: LockStep) => void])[] = [
    ['NaN', ChunkRefusal.NOT_FINITE, nan(Number.NaN)],
    ['Infinity', ChunkRefusal.NOT_FINITE, nan(Number.NEGATIVE_INFINITY)],
    ['too few numbers a row', ChunkRefusal.SHAPE, (s) => s.send([0, 1, 1, 0, 0, 0])],
    ['too many numbers a row', ChunkRefusal.SHAPE, (s) => s.send([0, 1, 1, 0, 0, 0, 0, 0])],
    ['a step period of 0', ChunkRefusal.STEP_PERIOD, (s) => s.send(s.homeWith({}), 9, { stepPeriodS: 0 })],
    [
      'a negative step period',
      ChunkRefusal.STEP_PERIOD,
      (s) => s.send(s.homeWith({}), 9, { stepPeriodS: -1 }),
    ],
    ['a step period of 2 s', ChunkRefusal.STEP_PERIOD, (s) => s.send(s.homeWith({}), 9, { stepPeriodS: 2 })],
    [
      'a step period that is no number',
      ChunkRefusal.STEP_PERIOD,
      (s) => s.send(s.homeWith({}), 9, { stepPeriodS: Number.NaN }),
    ],
    [
      'a start in the far future',
      ChunkRefusal.TIME,
      (s) => s.send(s.homeWith({}), 9, { startNs: s.nowNs + 1e10 }),
    ],
    ['a start in the far past', ChunkRefusal.TIME, (s) => s.send(s.homeWith({}), 9, { startNs: 0 })],
    [
      'a start that is no number',
      ChunkRefusal.TIME,
      (s) => s.send(s.homeWith({}), 9, { startNs: Number.NaN }),
    ],
    [
      'an observation in the future',
      ChunkRefusal.TIME,
      (s) => s.send(s.homeWith({}), 9, { observedNs: s.nowNs + 1e9 }),
    ],
    [
      'rows that are all over',
      ChunkRefusal.EXPIRED,
      (s) => s.send(s.homeWith({}), 9, { startNs: s.nowNs - 1e9 }),
    ],
    [
      'an older observation',
      ChunkRefusal.OUT_OF_ORDER,
      (s) => s.send(s.homeWith({}), 9, { observedNs: 1e12 }),
    ],
    [
      'an older timestep',
      ChunkRefusal.OUT_OF_ORDER,
      (s) => s.send(s.homeWith({}), 9, { observedNs: s.nowNs - 1e8, timestep: -1 }),
    ],
  ];
  it.each(bad)('with %s are refused, and the good one before goes on', (_name, reason, publish) => {
    const s = lockStep();
    s.start();
    s.run(0.1);
    s.send(s.homeWith({ 0: 0.3 }), 30);
    s.run(0.1);
    const sequence = s.scalar('chunkSequence');
    publish(s);
    s.tick();
    expect(s.segment.fields.errors & ErrorBit.SAFETY).toBe(ErrorBit.SAFETY);
    expect(s.scalar('chunksRefused')).toBe(1);
    expect(
      s.events.filter(({ code }) => code === EventCode.CHUNK_REFUSED).map(({ detail }) => detail),
    ).toEqual([reason]);
    expect(s.scalar('chunkSequence')).toBe(sequence);
    expect(s.scalar('holdReason')).toBe(HoldReason.NONE);
    s.run(0.5);
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(0.3, 3);
  });

  it('that are refused hold the arm when there is nothing else', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 2: Number.NaN }));
    s.run(0.3, () => s.beat());
    expect(s.scalar('holdReason')).toBe(HoldReason.CHUNK_REFUSED);
    expect(s.vector('commandedPosition')).toEqual(Array.from(s.commanded, (list) => list[0]));
  });

  it('with huge numbers are clamped, counted and seen', () => {
    const s = lockStep({ tablePlaneZ: Number.NaN });
    s.start();
    s.run(1, () => {
      s.beat();
      s.send(s.homeWith({ 0: 1e300, 3: -1e300 }));
    });
    const [min, max] = [s.description.limits.positionMin, s.description.limits.positionMax];
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(max[0]!, 3);
    expect(s.vector('commandedPosition')[3]).toBeGreaterThanOrEqual(min[3]!);
    expect(s.scalar('limitsHit') & LimitBit.POSITION).toBe(LimitBit.POSITION);
    expect(s.scalar('clampedTicks')).toBeGreaterThan(100);
  });

  it('that come late are joined where they should be by now', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 0.2 }), 20, {
      stepPeriodS: 0.05,
      startNs: s.nowNs - 0.5e9,
      observedNs: s.nowNs - 0.5e9,
    });
    s.tick();
    expect(s.scalar('rowIndex')).toBe(10);
  });

  it('of whoever does not hold the lease do not count', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 1 }));
    s.segment.fields.leaseOwner = 1;
    s.run(0.5, () => {
      s.segment.fields.leaseHeartbeatNs = s.nowNs;
    });
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(s.description.home[0]!, 9);
    expect(() => s.send(s.homeWith({ 0: 1 }))).toThrow('commanded by');
  });

  it('in the first page count while nobody holds the lease', () => {
    const s = lockStep();
    s.start();
    const { fields } = s.segment;
    fields.actions.set(s.homeWith({ 0: 0.4 }));
    fields.actionCount = 1;
    s.run(0.15, () => s.scriptBeat());
    expect(s.vector('commandedPosition')[0]).toBeGreaterThan(0.05);
    fields.actions.set(s.homeWith({ 0: -0.4 }));
    fields.leaseOwner = 1;
    s.run(0.9, () => {
      fields.leaseHeartbeatNs = s.nowNs;
      s.scriptBeat();
    });
    expect(s.vector('commandedPosition')[0]).toBeGreaterThan(0.05);
  });
});

describe('faults', () => {
  const faults: readonly (readonly [string, number, number, (s: LockStep) => void])[] = [
    [
      'a silent motor',
      FaultKind.FEEDBACK_LOST,
      ErrorBit.COMMUNICATION,
      (s) => s.arm.silentSinceNs.fill(s.nowNs, 2, 3),
    ],
    [
      'a fault of a motor',
      FaultKind.MOTOR,
      ErrorBit.HARDWARE,
      (s) => s.arm.faults.fill(MotorFault.OVERLOAD, 1, 2),
    ],
    ['heat', FaultKind.OVER_TEMPERATURE, ErrorBit.OVER_TEMPERATURE, (s) => s.arm.temperatureC.fill(95, 4, 5)],
    ['too much torque', FaultKind.OVER_TORQUE, ErrorBit.OVER_TORQUE, (s) => s.arm.extraTorque.fill(99, 5, 6)],
    [
      'a joint that does not follow',
      FaultKind.TRACKING,
      ErrorBit.TRACKING,
      (s) => s.arm.blockedBelow.fill(0.52, 0, 1),
    ],
    [
      'a joint far outside its range',
      FaultKind.OUTSIDE,
      ErrorBit.SAFETY,
      (s) => s.arm.blockedBelow.fill(9, 3, 4),
    ],
  ];
  it.each(faults)('%s stops the arm, and frames go on', (_name, kind, bit, cause) => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 0.2 }), 60);
    s.run(0.3, () => s.beat());
    cause(s);
    s.until(() => {
      s.beat();
      return s.state === 'EMERGENCY_STOP' || s.state === 'DAMPING';
    }, 1);
    expect(s.events.find(({ code }) => code === EventCode.FAULT)?.detail).toBe(kind);
    expect(s.segment.fields.errors & bit).toBe(bit);
    const frames = s.arm.written + s.arm.damped;
    s.until(() => s.controller.finished);
    expect(s.arm.written + s.arm.damped).toBeGreaterThanOrEqual(frames + 500);
    expect(s.state).toBe('DAMPING');
  });

  it('a silent motor is a fault in the tick in which it is too old, with no braking on blind motors', () => {
    const s = lockStep();
    s.start();
    s.arm.silentSinceNs[2] = s.nowNs;
    s.until(() => s.state !== 'RUNNING');
    expect(s.state).toBe('DAMPING');
    expect(s.scalar('feedbackAgeMaxNs')).toBe(0.102e9);
  });

  it('a short gap of feedback holds the arm and goes by', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 0.5 }), 60);
    s.run(0.2, () => s.beat());
    s.arm.silentSinceNs[2] = s.nowNs;
    s.run(0.05, () => s.beat());
    expect(s.scalar('holdReason')).toBe(HoldReason.NO_FEEDBACK);
    s.arm.silentSinceNs[2] = Number.POSITIVE_INFINITY;
    s.send(s.homeWith({ 0: 0.5 }), 60);
    s.run(1, () => s.beat());
    expect(s.state).toBe('RUNNING');
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(0.5, 3);
  });

  it('a warm motor is told before it is a fault', () => {
    const s = lockStep();
    s.arm.temperatureC[1] = 75;
    s.start();
    expect(s.state).toBe('RUNNING');
    expect(s.segment.fields.errors & ErrorBit.OVER_TEMPERATURE).toBe(ErrorBit.OVER_TEMPERATURE);
  });
});

describe('soft start and limits', () => {
  it('takes the arm as it is found and ramps up without moving it', () => {
    const found = [0.4, 1.2, 1.0, -0.5, 0.2, 0.1, 0.03];
    const s = lockStep({}, (arm) => arm.position.set(found));
    s.run(1);
    expect(s.vector('commandedPosition')).toEqual(found);
    expect(Math.max(...found.map((q, i) => Math.abs(q - s.arm.position[i]!)))).toBeLessThan(0.02);
    expect(s.scalar('stiffness')).toBe(1);
  });

  it('takes an arm found outside its range back in and never further out', () => {
    const s = lockStep({}, (arm) => {
      arm.position[3] = 1.75;
    });
    s.start();
    s.run(2, () => {
      s.beat();
      s.send(s.homeWith({ 3: 99 }));
    });
    expect(Math.max(...s.commanded[3]!)).toBeLessThanOrEqual(1.75 + 1e-12);
    expect(s.vector('commandedPosition')[3]).toBeCloseTo(1.55, 3);
  });

  it('does not go into the table or into itself, and says so', () => {
    const s = lockStep();
    s.start();
    s.run(2, () => {
      s.beat();
      s.send(s.homeWith({ 1: 2.8, 2: 1.2, 3: -0.9 }));
    });
    expect(s.scalar('holdReason')).toBe(HoldReason.COLLISION);
    expect(s.segment.fields.errors & ErrorBit.COLLISION).toBe(ErrorBit.COLLISION);
    expect(s.scalar('limitsHit') & LimitBit.ENVELOPE).toBe(LimitBit.ENVELOPE);
    s.run(2, () => {
      s.beat();
      s.send(s.homeWith({}));
    });
    expect(s.vector('commandedPosition')[1]).toBeCloseTo(s.description.home[1]!, 3);
  });

  it('holds what stands in the gripper with a bounded force, for as long as it takes', () => {
    const s = lockStep();
    s.arm.blockedBelow[6] = 0.04;
    s.start();
    s.arm.asked.fill(0);
    s.run(3, () => {
      s.beat();
      s.send(s.homeWith({ 6: 0 }));
    });
    expect(s.state).toBe('RUNNING');
    expect(s.arm.asked[6]).toBeGreaterThan(0.3);
    expect(s.arm.asked[6]).toBeLessThanOrEqual(0.5 + 1e-9);
    expect(s.vector('commandedPosition')[6]).toBeGreaterThan(0.03);
  });

  it('resumes from where the arm is, without a jump', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 0.6 }), 30);
    s.run(0.3, () => s.beat());
    s.request('PAUSE');
    s.run(1);
    const held = s.vector('commandedPosition');
    expect(s.scalar('holdReason')).toBe(HoldReason.PAUSED);
    s.run(1);
    expect(s.vector('commandedPosition')).toEqual(held);
    s.request('START');
    s.run(0.1, () => s.beat());
    expect(s.vector('commandedPosition')).toEqual(held);
  });
});

describe('a reset', () => {
  it('goes home and to IDLE, keeps the gripper as it is, and does not start anything', () => {
    const s = lockStep({}, (arm) => arm.position.set([1, 1.2, 1.0, -0.5, 0.2, 0.1, 0.03]));
    s.start();
    s.request('RESET');
    s.until(() => s.state === 'IDLE');
    const home = s.homeWith({ 6: 0.03 });
    expectPose(s, home);
    s.run(0.5, () => s.send(s.homeWith({ 0: 1 })));
    expect(s.state).toBe('IDLE');
    expectPose(s, home);
  });

  it('begins from a stop when it comes in full motion', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 2 }), 30);
    s.run(0.4, () => s.beat());
    s.request('RESET');
    s.until(() => s.state === 'IDLE');
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(0, 3);
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
