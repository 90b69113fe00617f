import { afterEach, describe, expect, it } from 'vitest';
import { ErrorBit } from '../core/control-state.ts';
import { ChunkRefusal, EventCode } from './event-codes.ts';
import { HoldReason, LimitBit } from './limit-bits.ts';
import type { LockStep } from './lock-step.ts';
import { LockSteps } from './lock-steps.ts';

const arms = new LockSteps();
const lockStep = arms.make;
afterEach(() => arms.close());

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
    expect(s.segment.fields.chunksRefused).toBe(1);
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
    expect(s.segment.fields.clampedTicks).toBe(s.scalar('clampedTicks'));
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
