import type { ArmDescription } from '../arms/description.ts';
import { type ArmState, MotorFault } from '../arms/driver.ts';
import { ErrorBit } from '../core/control-state.ts';
import { FaultKind, type FaultKindName } from './event-codes.ts';

/** What is too much. Durations are counted in ticks of a period; nothing here moves the arm. */
export interface FaultThresholds {
  readonly periodNs: number;
  readonly feedbackTimeoutNs: number;
}

const WARM_C = 70;
const HOT_C = 85;
/** Distance between commanded and measured that means an obstacle or a motor without strength, rad. */
const TRACKING_RAD = 0.3;
const TRACKING_NS = 200e6;
/** How far outside its range a joint may be found, or pushed: rad, and m for the gripper. */
const OUTSIDE_RAD = 0.5;
const OUTSIDE_GRIPPER_M = 0.02;
/** A motor that says it has a fault must say so more than once. */
const REPEATED_TICKS = 3;

/** Error bits that go with each kind of fault. */
export const FAULT_ERRORS: Readonly<Record<FaultKindName, number>> = {
  NONE: 0,
  FEEDBACK_LOST: ErrorBit.COMMUNICATION,
  MOTOR: ErrorBit.HARDWARE,
  OVER_TEMPERATURE: ErrorBit.HARDWARE | ErrorBit.OVER_TEMPERATURE,
  OVER_TORQUE: ErrorBit.SAFETY | ErrorBit.OVER_TORQUE,
  TRACKING: ErrorBit.SAFETY | ErrorBit.TRACKING,
  OUTSIDE: ErrorBit.SAFETY,
  BUS: ErrorBit.COMMUNICATION,
  GUARDIAN: ErrorBit.GUARDIAN,
};

/** Judges each tick's measurements. The first fault found is told; `joint` and `value` say where and how much. */
export class FaultMonitor {
  joint = -1;
  readonly found = new Float64Array(1);
  /** Error bits that warn of something that is not yet a fault. */
  warnings = 0;
  readonly #description: ArmDescription;
  readonly #thresholds: FaultThresholds;
  readonly #ticks: { readonly [K in 'torque' | 'tracking' | 'motor' | 'outside' | 'hot']: Uint32Array };

  constructor(description: ArmDescription, thresholds: FaultThresholds) {
    this.#description = description;
    this.#thresholds = thresholds;
    const count = () => new Uint32Array(description.dof);
    this.#ticks = { torque: count(), tracking: count(), motor: count(), outside: count(), hot: count() };
  }

  /** Returns a {@link FaultKind}. `stiff` says that the motors hold the commanded pose. */
  check(state: ArmState, commanded: ArrayLike<number>, stiff: boolean): number {
    const { armDof, dof, limits, overCurrentTicks } = this.#description;
    const { periodNs, feedbackTimeoutNs } = this.#thresholds;
    const ticks = this.#ticks;
    this.warnings = 0;
    for (let i = 0; i < dof; i++) {
      const ageNs = state.feedbackAgeNs[i]!;
      if (!(ageNs <= feedbackTimeoutNs)) return this.#fault(FaultKind.FEEDBACK_LOST, i, ageNs / 1e6);
    }
    for (let i = 0; i < dof; i++) {
      const q = state.position[i]!;
      const gripper = i >= armDof;

      // A motor is disabled before it is woken and says so; that alone is the driver's business.
      const fault = state.fault[i]! & ~MotorFault.DISABLED;
      if (this.#lasts(ticks.motor, i, fault !== 0, REPEATED_TICKS)) {
        return this.#fault(FaultKind.MOTOR, i, state.fault[i]!);
      }
      const hottestC = Math.max(state.motorTemperatureC[i]!, state.driverTemperatureC[i]!);
      if (this.#lasts(ticks.hot, i, hottestC >= HOT_C, REPEATED_TICKS)) {
        return this.#fault(FaultKind.OVER_TEMPERATURE, i, hottestC);
      }
      if (hottestC >= WARM_C) this.#warn(ErrorBit.OVER_TEMPERATURE, i, hottestC);
      const torque = Math.abs(state.torque[i]!);
      if (this.#lasts(ticks.torque, i, torque > limits.torqueMax[i]!, overCurrentTicks + 1)) {
        return this.#fault(FaultKind.OVER_TORQUE, i, torque);
      }
      const slack = gripper ? OUTSIDE_GRIPPER_M : OUTSIDE_RAD;
      const outside = !(q >= limits.positionMin[i]! - slack && q <= limits.positionMax[i]! + slack);
      if (this.#lasts(ticks.outside, i, outside, REPEATED_TICKS)) return this.#fault(FaultKind.OUTSIDE, i, q);
      // A gripper with something in it is away from its command on purpose.
      const error = gripper || !stiff ? 0 : Math.abs(q - commanded[i]!);
      if (this.#lasts(ticks.tracking, i, error > TRACKING_RAD, Math.ceil(TRACKING_NS / periodNs))) {
        return this.#fault(FaultKind.TRACKING, i, error);
      }
    }
    return FaultKind.NONE;
  }

  #lasts(counts: Uint32Array, joint: number, bad: boolean, ticks: number): boolean {
    counts[joint] = bad ? counts[joint]! + 1 : 0;
    return counts[joint]! >= ticks;
  }

  #fault(kind: number, joint: number, value: number): number {
    this.joint = joint;
    this.found[0] = value;
    return kind;
  }

  #warn(bits: number, joint: number, value: number): void {
    this.warnings |= bits;
    this.joint = joint;
    this.found[0] = value;
  }
}
