import type { ArmDescription } from '../arms/description.ts';
import type { ArmCommand, ArmState } from '../arms/driver.ts';
import { LimitBit } from './limit-bits.ts';

/** From limp to stiff. */
const RAMP_NS = 0.5e9;
/** The arm's weight is taken over faster than that: it must not sink meanwhile. */
const GRAVITY_RAMP_NS = 0.05e9;
/** Part of the gripper's rated force that it may grip with. */
const GRIP_SHARE = 0.5;
/** Part of its limit that any other motor is asked for: beyond the limit, for a while, is a fault. */
const TORQUE_SHARE = 0.9;

/**
 * Gains: soft at first, and never so stiff that a motor would be asked for more torque than its limit. A gripper
 * that closes on something thus holds it with a bounded force, whatever it was told. Allocates nothing.
 */
export class Stiffness {
  readonly #description: ArmDescription;
  readonly #cap: Float64Array;
  readonly #sinceNs = new Float64Array(1).fill(Number.NaN);

  constructor(description: ArmDescription) {
    this.#description = description;
    this.#cap = Float64Array.from(
      description.limits.torqueMax,
      (torque, i) => torque * (i >= description.armDof ? GRIP_SHARE : TORQUE_SHARE),
    );
  }

  /** Starts the ramp, once. */
  start(nowNs: number): void {
    if (Number.isNaN(this.#sinceNs[0]!)) this.#sinceNs[0] = nowNs;
  }

  /** Share of the full stiffness, 0 to 1. */
  share(nowNs: number): number {
    const t = (nowNs - this.#sinceNs[0]!) / RAMP_NS;
    return t >= 0 ? Math.min(t, 1) : 0;
  }

  /** How far the gripper may be told to go beyond where it is, m. */
  get gripperMargin(): number {
    const { armDof, gains } = this.#description;
    return this.#cap[armDof]! / gains.kp[armDof]!;
  }

  /** Fills gains and feed-forward of `command`, whose pose is set. Returns {@link LimitBit}s. */
  apply(nowNs: number, state: ArmState, gravityNm: Float64Array, command: ArmCommand): number {
    const { dof, gains, limits } = this.#description;
    const share = this.share(nowNs);
    const weight = Math.min(Math.max((nowNs - this.#sinceNs[0]!) / GRAVITY_RAMP_NS, 0), 1);
    let bits = 0;
    for (let i = 0; i < dof; i++) {
      const most = TORQUE_SHARE * limits.torqueMax[i]!;
      const forward = Math.min(Math.max(weight * gravityNm[i]!, -most), most);
      let kp = share * gains.kp[i]!;
      let kd = gains.dampingKd[i]! + share * (gains.kd[i]! - gains.dampingKd[i]!);
      const push =
        kp * (command.position[i]! - state.position[i]!) + kd * (command.velocity[i]! - state.velocity[i]!);
      const left = Math.max(0, this.#cap[i]! - Math.max(0, forward * Math.sign(push)));
      if (Math.abs(push) > left) {
        const factor = left / Math.abs(push);
        kp *= factor;
        kd *= factor;
        bits = LimitBit.TORQUE;
      }
      command.kp[i] = kp;
      command.kd[i] = kd;
      command.torqueFeedForward[i] = forward;
    }
    return bits;
  }
}
