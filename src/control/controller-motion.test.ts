import { afterEach, describe, expect, it } from 'vitest';
import { ErrorBit } from '../core/control-state.ts';
import { HoldReason, LimitBit } from './limit-bits.ts';
import type { LockStep } from './lock-step.ts';
import { LockSteps } from './lock-steps.ts';

const arms = new LockSteps();
const lockStep = arms.make;
afterEach(() => arms.close());

function expectPose(s: LockStep, pose: readonly number[]): void {
  for (const [i, q] of s.vector('commandedPosition').entries()) expect(q).toBeCloseTo(pose[i]!, 3);
}

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
