import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { armDescription } from '../arms/catalogue.ts';
import { createArmCommand, createArmState } from '../arms/driver.ts';
import { LimitBit } from './limit-bits.ts';
import { Stiffness } from './stiffness.ts';

const arm = armDescription('X5');
const none = new Float64Array(arm.dof);

function apply(stiffness: Stiffness, nowNs: number, offset: readonly number[], gravityNm = none) {
  const state = createArmState(arm.dof);
  const command = createArmCommand(arm.dof);
  state.position.set(arm.home);
  command.position.set(arm.home.map((q, i) => q + (offset[i] ?? 0)));
  const bits = stiffness.apply(nowNs, state, gravityNm, command);
  const torque = Array.from(command.kp, (kp, i) => kp * (offset[i] ?? 0) + command.torqueFeedForward[i]!);
  return { bits, command, torque };
}

describe('stiffness', () => {
  it('is none before the start, grows evenly for half a second, and is not started twice', () => {
    const stiffness = new Stiffness(arm);
    expect(stiffness.share(5e9)).toBe(0);
    stiffness.start(1e9);
    stiffness.start(2e9);
    expect([0.9e9, 1e9, 1.25e9, 1.5e9, 9e9].map((at) => stiffness.share(at))).toEqual([0, 0, 0.5, 1, 1]);
  });

  it('is damping alone at first and the full gains at last', () => {
    const stiffness = new Stiffness(arm);
    stiffness.start(0);
    const limp = apply(stiffness, 0, []);
    expect([...limp.command.kp]).toEqual([...none]);
    expect([...limp.command.kd]).toEqual([...arm.gains.dampingKd]);
    const stiff = apply(stiffness, 1e9, []);
    expect([...stiff.command.kp]).toEqual([...arm.gains.kp]);
    stiff.command.kd.forEach((kd, i) => {
      expect(kd).toBeCloseTo(arm.gains.kd[i]!, 12);
    });
    expect(stiff.bits).toBe(0);
  });

  it("takes over the arm's weight before it is stiff", () => {
    const stiffness = new Stiffness(arm);
    stiffness.start(0);
    const gravity = none.map((_, i) => (i === 1 ? 5 : 0));
    expect(apply(stiffness, 25e6, [], gravity).command.torqueFeedForward[1]).toBeCloseTo(2.5, 9);
    expect(apply(stiffness, 50e6, [], gravity).command.torqueFeedForward[1]).toBe(5);
  });

  it('never asks a motor for more than its limit, whatever the pose and the load', () => {
    const stiffness = new Stiffness(arm);
    stiffness.start(0);
    const numbers = (most: number) =>
      fc.array(fc.double({ min: -most, max: most, noNaN: true }), { minLength: arm.dof, maxLength: arm.dof });
    fc.assert(
      fc.property(numbers(3), numbers(60), (offset, gravity) => {
        const { torque } = apply(stiffness, 1e9, offset, Float64Array.from(gravity));
        torque.forEach((nm, i) => {
          expect(Math.abs(nm)).toBeLessThanOrEqual(arm.limits.torqueMax[i]! * (1 + 1e-9));
        });
      }),
    );
  });

  it('holds with a bounded grip what the gripper closes on, and says that it was limited', () => {
    const stiffness = new Stiffness(arm);
    stiffness.start(0);
    const i = arm.armDof;
    const most = 0.5 * arm.limits.torqueMax[i]!;
    const offset = none.map((_, joint) => (joint === i ? -2 * stiffness.gripperMargin : 0));
    const { bits, torque } = apply(stiffness, 1e9, [...offset]);
    expect(torque[i]).toBeCloseTo(-most, 9);
    expect(bits).toBe(LimitBit.TORQUE);
    expect(apply(stiffness, 1e9, [...offset.map((x) => x / 4)]).bits).toBe(0);
  });
});
