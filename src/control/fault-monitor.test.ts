import { beforeEach, describe, expect, it } from 'vitest';
import { armDescription } from '../arms/catalogue.ts';
import { type ArmState, createArmState, MotorFault } from '../arms/driver.ts';
import { ErrorBit } from '../core/control-state.ts';
import { FaultKind } from './event-codes.ts';
import { FaultMonitor } from './fault-monitor.ts';

const arm = armDescription('X5');
const gripper = arm.armDof;

describe('the fault monitor', () => {
  let monitor: FaultMonitor;
  let state: ArmState;
  const ticks = (count: number, stiff = true): number[] =>
    Array.from({ length: count }, () => monitor.check(state, arm.home, stiff));
  /** Ticks until something is found, and what. */
  const foundAfter = (stiff = true): [ticks: number, kind: number] => {
    const kinds = ticks(300, stiff);
    const first = kinds.findIndex((kind) => kind !== FaultKind.NONE);
    return [first + 1, kinds[first] ?? FaultKind.NONE];
  };
  beforeEach(() => {
    monitor = new FaultMonitor(arm, { periodNs: 2e6, feedbackTimeoutNs: 100e6 });
    state = createArmState(arm.dof);
    state.position.set(arm.home);
    state.feedbackAgeNs.fill(1e6);
  });

  it('finds nothing at an arm that does what it is told', () => {
    expect(foundAfter()).toEqual([0, FaultKind.NONE]);
    expect(monitor.warnings).toBe(0);
  });

  it('finds lost feedback at once, and says whose and how old', () => {
    state.feedbackAgeNs[3] = 101e6;
    expect(foundAfter()).toEqual([1, FaultKind.FEEDBACK_LOST]);
    expect([monitor.joint, monitor.found[0]]).toEqual([3, 101]);
    state.feedbackAgeNs[3] = Number.NaN;
    expect(ticks(1)).toEqual([FaultKind.FEEDBACK_LOST]);
  });

  it('believes a motor that says three times that it has a fault, but not one that is only disabled', () => {
    state.fault[1] = MotorFault.DISABLED;
    expect(foundAfter()).toEqual([0, FaultKind.NONE]);
    state.fault[1] = 0x8000;
    expect(foundAfter()).toEqual([3, FaultKind.MOTOR]);
    expect(monitor.joint).toBe(1);
  });

  it('warns of a warm motor and stops a hot one', () => {
    state.motorTemperatureC[2] = 70;
    expect(foundAfter()).toEqual([0, FaultKind.NONE]);
    expect(monitor.warnings).toBe(ErrorBit.OVER_TEMPERATURE);
    state.driverTemperatureC[2] = 85;
    expect(foundAfter()).toEqual([3, FaultKind.OVER_TEMPERATURE]);
  });

  it('bears too much torque for as many ticks as the arm allows, and no tick more', () => {
    state.torque[0] = -1.01 * arm.limits.torqueMax[0]!;
    expect(foundAfter()).toEqual([arm.overCurrentTicks + 1, FaultKind.OVER_TORQUE]);
  });

  it('starts counting anew when a tick was good', () => {
    state.torque[0] = 2 * arm.limits.torqueMax[0]!;
    ticks(arm.overCurrentTicks);
    state.torque[0] = 0;
    ticks(1);
    state.torque[0] = 2 * arm.limits.torqueMax[0]!;
    expect(ticks(arm.overCurrentTicks)).not.toContain(FaultKind.OVER_TORQUE);
  });

  it('finds a joint far outside its range, but allows for one found a little outside', () => {
    state.position[0] = arm.limits.positionMax[0]! + 0.4;
    expect(foundAfter(false)).toEqual([0, FaultKind.NONE]);
    state.position[0] = arm.limits.positionMax[0]! + 0.6;
    expect(foundAfter(false)).toEqual([3, FaultKind.OUTSIDE]);
  });

  it('finds a stiff joint that stays away from its command for 200 ms, never a limp one or a gripper', () => {
    state.position[0] = arm.home[0]! + 0.31;
    expect(foundAfter(false)).toEqual([0, FaultKind.NONE]);
    expect(foundAfter(true)).toEqual([100, FaultKind.TRACKING]);
    state.position.set(arm.home);
    state.position[gripper] = arm.limits.positionMin[gripper]!;
    expect(foundAfter(true)).toEqual([0, FaultKind.NONE]);
  });
});
