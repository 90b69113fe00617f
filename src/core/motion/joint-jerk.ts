import { highestPosition, stopPosition, velocityToCome } from './stopping.ts';

/** What shaped a step; the same bits as the first four of the control room's `LimitBit`. */
export const MotionBit = { POSITION: 1, VELOCITY: 2, ACCELERATION: 4, JERK: 8 } as const;

/** Places in the numbers of a {@link JointJerk}. */
export const Place = {
  /** Commanded state: position, velocity, acceleration. */
  P: 0,
  V: 1,
  ACC: 2,
  /** Limits, and the part of them that braking is planned with. */
  VMAX: 3,
  AMAX: 4,
  JMAX: 5,
  APLAN: 6,
  JPLAN: 7,
  /** Range in force. */
  LOW: 8,
  HIGH: 9,
  /** Where the target is a step from now, and its velocity. */
  TARGET: 10,
  TARGET_V: 11,
  /** Jerks that are allowed, the one chosen, and which limit each end is due to. */
  JLO: 12,
  JHI: 13,
  CHOSEN: 14,
  UP_BIT: 15,
  DOWN_BIT: 16,
  /** Range of jerks to look in, the one tried now, and the one found. */
  FROM: 17,
  TO: 18,
  TRIED: 19,
  SOLVED: 20,
} as const;

const BISECTIONS = 30;
/** At rest this near a target, rad or m, there is nothing left to do. */
const NOWHERE = 1e-12;

const Bound = { VELOCITY_UP: 0, VELOCITY_DOWN: 1, HIGHEST: 2, LOWEST: 3, TARGET: 4, REST: 5 } as const;
type BoundCode = (typeof Bound)[keyof typeof Bound];

/**
 * Chooses the jerk of one joint for one time step, so that limits hold and go on holding. Its caller puts the joint's
 * state, limits, range and target into `numbers`; the answer lies there too, because a fraction that goes into or
 * out of a function is boxed anew each time.
 */
export class JointJerk {
  readonly numbers = new Float64Array(Object.keys(Place).length);
  readonly #dt: number;

  constructor(dtS: number) {
    this.#dt = dtS;
  }

  /** Narrows the allowed jerk to what velocity and range bear, and notes which limit each end is due to. */
  #narrow(): void {
    const joint = this.numbers;
    const least = joint[Place.JLO]!;
    const most = joint[Place.JHI]!;
    joint[Place.UP_BIT] = most < joint[Place.JMAX]! ? MotionBit.ACCELERATION : MotionBit.JERK;
    joint[Place.DOWN_BIT] = least > -joint[Place.JMAX]! ? MotionBit.ACCELERATION : MotionBit.JERK;
    joint[Place.FROM] = least;
    if (this.#lowerTop(Bound.VELOCITY_UP)) joint[Place.UP_BIT] = MotionBit.VELOCITY;
    if (this.#lowerTop(Bound.HIGHEST)) joint[Place.UP_BIT] = MotionBit.POSITION;
    joint[Place.TO] = most;
    if (this.#raiseBottom(Bound.VELOCITY_DOWN)) joint[Place.DOWN_BIT] = MotionBit.VELOCITY;
    if (this.#raiseBottom(Bound.LOWEST)) joint[Place.DOWN_BIT] = MotionBit.POSITION;
  }

  /** Lowers the largest allowed jerk to what a bound bears, seen from FROM. Whether it had to. */
  #lowerTop(bound: BoundCode): boolean {
    const joint = this.numbers;
    joint[Place.TRIED] = joint[Place.JHI]!;
    if (this.#side(bound) <= 0) return false;
    joint[Place.TO] = joint[Place.JHI]!;
    this.#solve(bound);
    joint[Place.JHI] = joint[Place.SOLVED]!;
    return true;
  }

  /** Raises the least allowed jerk to what a bound bears, seen from TO. Whether it had to. */
  #raiseBottom(bound: BoundCode): boolean {
    const joint = this.numbers;
    joint[Place.TRIED] = joint[Place.JLO]!;
    if (this.#side(bound) >= 0) return false;
    joint[Place.FROM] = joint[Place.JLO]!;
    this.#solve(bound);
    joint[Place.JLO] = joint[Place.SOLVED]!;
    return true;
  }

  /** The jerk towards the target. Leaves it in CHOSEN, returns the {@link MotionBit}s that shaped it. */
  towardsTarget(): number {
    const joint = this.numbers;
    this.#narrow();
    const lo = joint[Place.JLO]!;
    const hi = joint[Place.JHI]!;
    const upBit = joint[Place.UP_BIT]!;
    const downBit = joint[Place.DOWN_BIT]!;
    this.#deadbeat();
    const exact = joint[Place.SOLVED]!;
    let bits = 0;
    if (Number.isNaN(exact)) {
      const side = this.#approach(Bound.TARGET, lo, hi);
      bits = side > 0 ? upBit : side < 0 ? downBit : 0;
    } else if (exact > hi) bits = upBit;
    else if (exact < lo) bits = downBit;
    joint[Place.CHOSEN] = Math.min(Math.max(joint[Place.SOLVED]!, lo), hi);
    return bits;
  }

  /** Leaves the jerk in [lo, hi] that meets a bound best in SOLVED. 1 when that is `hi`, -1 when it is `lo`. */
  #approach(bound: BoundCode, lo: number, hi: number): number {
    const joint = this.numbers;
    joint[Place.FROM] = lo;
    joint[Place.TO] = hi;
    joint[Place.TRIED] = hi;
    joint[Place.SOLVED] = hi;
    if (this.#side(bound) <= 0) return 1;
    joint[Place.TRIED] = lo;
    joint[Place.SOLVED] = lo;
    if (this.#side(bound) >= 0) return -1;
    this.#solve(bound);
    return 0;
  }

  /**
   * First of the three jerks that put the joint exactly on the target, at the target's velocity, three steps from
   * now, in SOLVED; NaN when that takes more jerk than there is. This ends every motion, without ripple.
   */
  #deadbeat(): void {
    const joint = this.numbers;
    const dt = this.#dt;
    const a = joint[Place.ACC]!;
    const w = joint[Place.V]! - joint[Place.TARGET_V]!;
    const e = joint[Place.P]! - (joint[Place.TARGET]! - joint[Place.TARGET_V]! * dt);
    joint[Place.SOLVED] = 0;
    if (a === 0 && w === 0 && Math.abs(e) < NOWHERE) return;
    const s0 = -a / dt;
    const s1 = -(w + 3 * dt * a) / (dt * dt);
    const s2 = -(e + 3 * dt * w + 4.5 * dt * dt * a) / (dt * dt * dt);
    const j1 = s2 - s1 + s0 / 3;
    const j2 = s1 - s0 / 2 - 2 * j1;
    const j3 = s0 - j1 - j2;
    const most = joint[Place.JMAX]!;
    const possible = Math.abs(j1) <= most && Math.abs(j2) <= most && Math.abs(j3) <= most;
    joint[Place.SOLVED] = possible ? j1 : Number.NaN;
  }

  /** Leaves in CHOSEN the jerk that brings the joint to rest soonest; keeps to the planned limits, so that it ends where `stop` says. */
  towardsRest(): void {
    const joint = this.numbers;
    const dt = this.#dt;
    const a = joint[Place.ACC]!;
    const deepest = Math.max(joint[Place.APLAN]!, Math.abs(a));
    const lo = Math.max(-joint[Place.JPLAN]!, (-deepest - a) / dt);
    const hi = Math.min(joint[Place.JPLAN]!, (deepest - a) / dt);
    this.#approach(Bound.REST, lo, hi);
    const wanted = joint[Place.SOLVED]!;
    this.#narrow();
    joint[Place.CHOSEN] = Math.min(Math.max(wanted, joint[Place.JLO]!), joint[Place.JHI]!);
  }

  /**
   * Whether the state after a step with the tried jerk lies above (1), on (0) or below (-1) a bound; never falls as
   * the jerk grows. The jerk comes in TRIED and the answer is a small whole number, because a fraction that goes
   * into or out of a function is boxed anew each time.
   */
  #side(bound: BoundCode): number {
    const joint = this.numbers;
    const j = joint[Place.TRIED]!;
    const J = joint[Place.JPLAN]!;
    const A = joint[Place.APLAN]!;
    const dt = this.#dt;
    const a0 = joint[Place.ACC]!;
    const v0 = joint[Place.V]!;
    const a = a0 + j * dt;
    const v = v0 + dt * (a0 + (j * dt) / 2);
    const p = joint[Place.P]! + dt * (v0 + dt * (a0 / 2 + (j * dt) / 6));
    let excess: number;
    if (bound === Bound.TARGET) {
      excess = stopPosition(p, v - joint[Place.TARGET_V]!, a, A, J) - joint[Place.TARGET]!;
    } else if (bound === Bound.HIGHEST || bound === Bound.LOWEST) {
      const sign = bound === Bound.HIGHEST ? 1 : -1;
      const edge = sign > 0 ? joint[Place.HIGH]! : joint[Place.LOW]!;
      excess = sign * highestPosition(sign * p, sign * v, sign * a, A, J) - edge;
    } else {
      const gain = velocityToCome(a, J * dt, dt);
      if (bound === Bound.VELOCITY_UP) excess = v + Math.max(0, gain) - joint[Place.VMAX]!;
      else if (bound === Bound.VELOCITY_DOWN) excess = v + Math.min(0, gain) + joint[Place.VMAX]!;
      else excess = v + gain;
    }
    return excess > 0 ? 1 : excess < 0 ? -1 : 0;
  }

  /**
   * Looks between FROM and TO for the jerk at which the excess passes through zero, and leaves it in SOLVED: the end
   * on the safe side of it.
   */
  #solve(bound: BoundCode): void {
    const joint = this.numbers;
    let lo = joint[Place.FROM]!;
    let hi = joint[Place.TO]!;
    for (let i = 0; i < BISECTIONS; i++) {
      const middle = (lo + hi) / 2;
      joint[Place.TRIED] = middle;
      if (this.#side(bound) > 0) hi = middle;
      else lo = middle;
    }
    joint[Place.SOLVED] = bound === Bound.VELOCITY_DOWN || bound === Bound.LOWEST ? hi : lo;
  }
}
