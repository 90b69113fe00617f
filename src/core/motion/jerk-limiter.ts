import {
  brakingPosition,
  brakingTime,
  highestPosition,
  lowestPosition,
  stopPosition,
  velocityToCome,
} from './stopping.ts';

/** Limits of each joint; all vectors equally long. */
export interface MotionLimits {
  readonly positionMin: ArrayLike<number>;
  readonly positionMax: ArrayLike<number>;
  readonly velocityMax: ArrayLike<number>;
  readonly accelerationMax: ArrayLike<number>;
  readonly jerkMax: ArrayLike<number>;
}

/** What shaped a step; the same bits as the first four of the control room's `LimitBit`. */
export const MotionBit = { POSITION: 1, VELOCITY: 2, ACCELERATION: 4, JERK: 8 } as const;

/** Braking is planned with a little less than is allowed; the rest corrects what time steps round off. */
const PLANNED_ACCELERATION = 0.95;
const PLANNED_JERK = 0.9;
/** Kept free of rounding: differences of published positions must pass an exact comparison. */
const ROUNDING = 1e-6;
const BISECTIONS = 30;
/** Most of a joint's range that is kept free at each edge; slow loops with short ranges would take more. */
const EDGE_SHARE = 0.05;

const Bound = { VELOCITY_UP: 0, VELOCITY_DOWN: 1, HIGHEST: 2, LOWEST: 3, TARGET: 4, REST: 5 } as const;
type BoundCode = (typeof Bound)[keyof typeof Bound];

/**
 * Follows a target that may do anything, with a pose that may not. Each time step every joint gets one constant
 * jerk, so velocity, acceleration and jerk stay within limits by construction, the joint range is never left
 * because every state can still brake before its edge, and a target at rest is reached without overshoot.
 *
 * `propose` or `proposeBrake` work out the next step, `accept` takes it: in between the caller may look at where
 * braking from there would end (`next.stop`) and decide otherwise. Makes no objects; V8 may box a few numbers.
 *
 * A joint that starts outside its range moves back in and never further out.
 */
export class JerkLimiter {
  readonly dof: number;
  /** The commanded state now. */
  readonly position: Float64Array;
  readonly velocity: Float64Array;
  readonly acceleration: Float64Array;
  /** The proposed next state, and where each joint would come to rest from it. */
  readonly next: {
    readonly position: Float64Array;
    readonly velocity: Float64Array;
    readonly acceleration: Float64Array;
    readonly stop: Float64Array;
  };
  readonly #dt: number;
  readonly #limits: MotionLimits;
  /** Range in force: the joint range, stretched to a start outside it. */
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  /** One joint's numbers while its jerk is being chosen. */
  readonly #joint = new Float64Array(NUMBERS);

  constructor(limits: MotionLimits, dtS: number) {
    this.dof = limits.positionMin.length;
    this.#dt = dtS;
    this.#limits = limits;
    const vector = () => new Float64Array(this.dof);
    this.position = vector();
    this.velocity = vector();
    this.acceleration = vector();
    this.next = { position: vector(), velocity: vector(), acceleration: vector(), stop: vector() };
    this.#low = vector();
    this.#high = vector();
    this.reset(this.position);
  }

  /** Puts the commanded pose at `position`, at rest. */
  reset(position: ArrayLike<number>): void {
    for (let i = 0; i < this.dof; i++) {
      this.position[i] = position[i]!;
      this.velocity[i] = 0;
      this.acceleration[i] = 0;
      this.#low[i] = Math.min(this.#edgeLow(i), position[i]!);
      this.#high[i] = Math.max(this.#edgeHigh(i), position[i]!);
    }
  }

  get atRest(): boolean {
    for (let i = 0; i < this.dof; i++) if (this.velocity[i] !== 0 || this.acceleration[i] !== 0) return false;
    return true;
  }

  /** Proposes the next step towards a target pose moving at a target velocity (both finite). Returns {@link MotionBit}s. */
  propose(target: ArrayLike<number>, targetVelocity: ArrayLike<number>): number {
    let bits = 0;
    for (let i = 0; i < this.dof; i++) bits |= this.proposeJoint(i, target[i]!, targetVelocity[i]!);
    return bits;
  }

  /** Proposes the next step of coming to rest as soon as limits allow. */
  proposeBrake(): void {
    for (let i = 0; i < this.dof; i++) this.proposeJointBrake(i);
  }

  /** {@link proposeBrake} for one joint; what was proposed for the others stays. */
  proposeJointBrake(i: number): void {
    this.#load(i, 0, 0);
    this.#brakeJerk();
    this.#take(i);
  }

  /** How long braking from the proposed state takes at most, s. */
  brakingTimeS(): number {
    const { velocity, acceleration } = this.next;
    let timeS = 0;
    for (let i = 0; i < this.dof; i++) {
      this.#loadLimits(i);
      const joint = this.#joint;
      timeS = Math.max(timeS, brakingTime(velocity[i]!, acceleration[i]!, joint[APLAN]!, joint[JPLAN]!));
    }
    return timeS;
  }

  /** Writes where each joint is `timeS` into braking from the proposed state. */
  brakingPose(timeS: number, out: Float64Array): void {
    const { position, velocity, acceleration } = this.next;
    const joint = this.#joint;
    for (let i = 0; i < this.dof; i++) {
      this.#loadLimits(i);
      out[i] = brakingPosition(
        position[i]!,
        velocity[i]!,
        acceleration[i]!,
        joint[APLAN]!,
        joint[JPLAN]!,
        timeS,
      );
    }
  }

  /** Takes the step proposed last. */
  accept(): void {
    const { next } = this;
    for (let i = 0; i < this.dof; i++) {
      this.position[i] = next.position[i]!;
      this.velocity[i] = next.velocity[i]!;
      this.acceleration[i] = next.acceleration[i]!;
      this.#shrinkRange(i);
    }
  }

  /** {@link propose} for one joint; what was proposed for the others stays. */
  proposeJoint(i: number, target: number, targetVelocity: number): number {
    const limit = this.#limits.velocityMax[i]!;
    let bits = 0;
    let goal = target;
    let speed = Math.min(Math.max(targetVelocity, -limit), limit);
    // A margin inside the edge, so that coming to rest there is not disturbed by guarding it.
    const low = this.#edgeLow(i) + this.#margin(i);
    const high = this.#edgeHigh(i) - this.#margin(i);
    if (goal < low) {
      bits = goal < this.#limits.positionMin[i]! ? MotionBit.POSITION : 0;
      goal = low;
      speed = Math.max(speed, 0);
    } else if (goal > high) {
      bits = goal > this.#limits.positionMax[i]! ? MotionBit.POSITION : 0;
      goal = high;
      speed = Math.min(speed, 0);
    }
    if (speed !== targetVelocity && bits === 0) bits = MotionBit.VELOCITY;
    this.#load(i, goal, speed);
    bits |= this.#chooseJerk();
    this.#take(i);
    return bits;
  }

  #load(i: number, target: number, targetVelocity: number): void {
    const joint = this.#joint;
    const dt = this.#dt;
    joint[P] = this.position[i]!;
    joint[V] = this.velocity[i]!;
    joint[ACC] = this.acceleration[i]!;
    this.#loadLimits(i);
    joint[LOW] = this.#low[i]!;
    joint[HIGH] = this.#high[i]!;
    joint[TARGET] = target + targetVelocity * dt;
    joint[TARGET_V] = targetVelocity;
    const a = joint[ACC]!;
    joint[JLO] = Math.max(-joint[JMAX]!, (-joint[AMAX]! - a) / dt);
    joint[JHI] = Math.min(joint[JMAX]!, (joint[AMAX]! - a) / dt);
  }

  #loadLimits(i: number): void {
    const joint = this.#joint;
    const dt = this.#dt;
    joint[AMAX] = this.#limits.accelerationMax[i]! * (1 - ROUNDING);
    joint[JMAX] = this.#limits.jerkMax[i]! * (1 - ROUNDING);
    // Between two steps the velocity may bulge by an eighth of what one step of jerk adds to it.
    joint[VMAX] = this.#limits.velocityMax[i]! * (1 - ROUNDING) - (joint[JMAX]! * dt * dt) / 8;
    joint[APLAN] = joint[AMAX]! * PLANNED_ACCELERATION;
    joint[JPLAN] = joint[JMAX]! * PLANNED_JERK;
  }

  /** Narrows the allowed jerk to what velocity and range bear, and notes which limit each end is due to. */
  #narrow(): void {
    const joint = this.#joint;
    const least = joint[JLO]!;
    const most = joint[JHI]!;
    joint[UP_BIT] = most < joint[JMAX]! ? MotionBit.ACCELERATION : MotionBit.JERK;
    joint[DOWN_BIT] = least > -joint[JMAX]! ? MotionBit.ACCELERATION : MotionBit.JERK;
    joint[FROM] = least;
    if (this.#lowerTop(Bound.VELOCITY_UP)) joint[UP_BIT] = MotionBit.VELOCITY;
    if (this.#lowerTop(Bound.HIGHEST)) joint[UP_BIT] = MotionBit.POSITION;
    joint[TO] = most;
    if (this.#raiseBottom(Bound.VELOCITY_DOWN)) joint[DOWN_BIT] = MotionBit.VELOCITY;
    if (this.#raiseBottom(Bound.LOWEST)) joint[DOWN_BIT] = MotionBit.POSITION;
  }

  /** Lowers the largest allowed jerk to what a bound bears, seen from FROM. Whether it had to. */
  #lowerTop(bound: BoundCode): boolean {
    const joint = this.#joint;
    joint[TRIED] = joint[JHI]!;
    if (this.#side(bound) <= 0) return false;
    joint[TO] = joint[JHI]!;
    this.#solve(bound);
    joint[JHI] = joint[SOLVED]!;
    return true;
  }

  /** Raises the least allowed jerk to what a bound bears, seen from TO. Whether it had to. */
  #raiseBottom(bound: BoundCode): boolean {
    const joint = this.#joint;
    joint[TRIED] = joint[JLO]!;
    if (this.#side(bound) >= 0) return false;
    joint[FROM] = joint[JLO]!;
    this.#solve(bound);
    joint[JLO] = joint[SOLVED]!;
    return true;
  }

  /** Jerk towards the target. Leaves it in CHOSEN, returns what shaped it. */
  #chooseJerk(): number {
    const joint = this.#joint;
    this.#narrow();
    const lo = joint[JLO]!;
    const hi = joint[JHI]!;
    const upBit = joint[UP_BIT]!;
    const downBit = joint[DOWN_BIT]!;
    this.#deadbeat();
    const exact = joint[SOLVED]!;
    let bits = 0;
    if (Number.isNaN(exact)) {
      const side = this.#approach(Bound.TARGET, lo, hi);
      bits = side > 0 ? upBit : side < 0 ? downBit : 0;
    } else if (exact > hi) bits = upBit;
    else if (exact < lo) bits = downBit;
    joint[CHOSEN] = Math.min(Math.max(joint[SOLVED]!, lo), hi);
    return bits;
  }

  /** Leaves the jerk in [lo, hi] that meets a bound best in SOLVED. 1 when that is `hi`, -1 when it is `lo`. */
  #approach(bound: BoundCode, lo: number, hi: number): number {
    const joint = this.#joint;
    joint[FROM] = lo;
    joint[TO] = hi;
    joint[TRIED] = hi;
    joint[SOLVED] = hi;
    if (this.#side(bound) <= 0) return 1;
    joint[TRIED] = lo;
    joint[SOLVED] = lo;
    if (this.#side(bound) >= 0) return -1;
    this.#solve(bound);
    return 0;
  }

  /**
   * First of the three jerks that put the joint exactly on the target, at the target's velocity, three steps from
   * now, in SOLVED; NaN when that takes more jerk than there is. This ends every motion, without ripple.
   */
  #deadbeat(): void {
    const joint = this.#joint;
    const dt = this.#dt;
    const a = joint[ACC]!;
    const w = joint[V]! - joint[TARGET_V]!;
    const e = joint[P]! - (joint[TARGET]! - joint[TARGET_V]! * dt);
    joint[SOLVED] = 0;
    if (a === 0 && w === 0 && Math.abs(e) < NOWHERE) return;
    const s0 = -a / dt;
    const s1 = -(w + 3 * dt * a) / (dt * dt);
    const s2 = -(e + 3 * dt * w + 4.5 * dt * dt * a) / (dt * dt * dt);
    const j1 = s2 - s1 + s0 / 3;
    const j2 = s1 - s0 / 2 - 2 * j1;
    const j3 = s0 - j1 - j2;
    const most = joint[JMAX]!;
    const possible = Math.abs(j1) <= most && Math.abs(j2) <= most && Math.abs(j3) <= most;
    joint[SOLVED] = possible ? j1 : Number.NaN;
  }

  /** Leaves in CHOSEN the jerk that brings the joint to rest soonest; keeps to the planned limits, so that it ends where `stop` says. */
  #brakeJerk(): void {
    const joint = this.#joint;
    const dt = this.#dt;
    const a = joint[ACC]!;
    const deepest = Math.max(joint[APLAN]!, Math.abs(a));
    const lo = Math.max(-joint[JPLAN]!, (-deepest - a) / dt);
    const hi = Math.min(joint[JPLAN]!, (deepest - a) / dt);
    this.#approach(Bound.REST, lo, hi);
    const wanted = joint[SOLVED]!;
    this.#narrow();
    joint[CHOSEN] = Math.min(Math.max(wanted, joint[JLO]!), joint[JHI]!);
  }

  /**
   * Whether the state after a step with the tried jerk lies above (1), on (0) or below (-1) a bound; never falls as
   * the jerk grows. The jerk comes in TRIED and the answer is a small whole number, because a fraction that goes
   * into or out of a function is boxed anew each time.
   */
  #side(bound: BoundCode): number {
    const joint = this.#joint;
    const j = joint[TRIED]!;
    const J = joint[JPLAN]!;
    const A = joint[APLAN]!;
    const dt = this.#dt;
    const a0 = joint[ACC]!;
    const v0 = joint[V]!;
    const a = a0 + j * dt;
    const v = v0 + dt * (a0 + (j * dt) / 2);
    const p = joint[P]! + dt * (v0 + dt * (a0 / 2 + (j * dt) / 6));
    let excess: number;
    if (bound === Bound.TARGET) {
      excess = stopPosition(p, v - joint[TARGET_V]!, a, A, J) - joint[TARGET]!;
    } else if (bound === Bound.HIGHEST || bound === Bound.LOWEST) {
      const sign = bound === Bound.HIGHEST ? 1 : -1;
      const edge = sign > 0 ? joint[HIGH]! : joint[LOW]!;
      excess = sign * highestPosition(sign * p, sign * v, sign * a, A, J) - edge;
    } else {
      const gain = velocityToCome(a, J * dt, dt);
      if (bound === Bound.VELOCITY_UP) excess = v + Math.max(0, gain) - joint[VMAX]!;
      else if (bound === Bound.VELOCITY_DOWN) excess = v + Math.min(0, gain) + joint[VMAX]!;
      else excess = v + gain;
    }
    return excess > 0 ? 1 : excess < 0 ? -1 : 0;
  }

  /**
   * Looks between FROM and TO for the jerk at which the excess passes through zero, and leaves it in SOLVED: the end
   * on the safe side of it.
   */
  #solve(bound: BoundCode): void {
    const joint = this.#joint;
    let lo = joint[FROM]!;
    let hi = joint[TO]!;
    for (let i = 0; i < BISECTIONS; i++) {
      const middle = (lo + hi) / 2;
      joint[TRIED] = middle;
      if (this.#side(bound) > 0) hi = middle;
      else lo = middle;
    }
    joint[SOLVED] = bound === Bound.VELOCITY_DOWN || bound === Bound.LOWEST ? hi : lo;
  }

  /** Works out the proposed state from the CHOSEN jerk. */
  #take(i: number): void {
    const j = this.#joint[CHOSEN]!;
    const dt = this.#dt;
    const { next } = this;
    const joint = this.#joint;
    const a0 = joint[ACC]!;
    const v0 = joint[V]!;
    let a = a0 + j * dt;
    let v = v0 + dt * (a0 + (j * dt) / 2);
    const p = joint[P]! + dt * (v0 + dt * (a0 / 2 + (j * dt) / 6));
    // What rounding leaves of a standstill is a standstill.
    if (Math.abs(a) < REST * joint[JMAX]! * dt && Math.abs(v) < REST * joint[JMAX]! * dt * dt) {
      a = 0;
      v = 0;
    }
    next.position[i] = p;
    next.velocity[i] = v;
    next.acceleration[i] = a;
    next.stop[i] = stopPosition(p, v, a, joint[APLAN]!, joint[JPLAN]!);
  }

  /** A range that was stretched to a start outside shrinks as the joint comes back in. */
  #shrinkRange(i: number): void {
    const joint = this.#joint;
    if (this.#high[i]! <= this.#edgeHigh(i) && this.#low[i]! >= this.#edgeLow(i)) return;
    this.#load(i, 0, 0);
    const highest = highestPosition(joint[P]!, joint[V]!, joint[ACC]!, joint[APLAN]!, joint[JPLAN]!);
    const lowest = lowestPosition(joint[P]!, joint[V]!, joint[ACC]!, joint[APLAN]!, joint[JPLAN]!);
    this.#high[i] = Math.max(this.#edgeHigh(i), Math.min(this.#high[i]!, highest));
    this.#low[i] = Math.min(this.#edgeLow(i), Math.max(this.#low[i]!, lowest));
  }

  #edgeLow(i: number): number {
    return this.#limits.positionMin[i]! + this.#margin(i);
  }

  #edgeHigh(i: number): number {
    return this.#limits.positionMax[i]! - this.#margin(i);
  }

  /** What one time step can add to a stopping distance, and rounding. */
  #margin(i: number): number {
    const span = this.#limits.positionMax[i]! - this.#limits.positionMin[i]!;
    return Math.min(ROUNDING * span + this.#limits.jerkMax[i]! * this.#dt ** 3, EDGE_SHARE * span);
  }
}

/** A state this close to a standstill, in units of one step of jerk, is one. */
const REST = 1e-7;
/** At rest this near a target, rad or m, there is nothing left to do. */
const NOWHERE = 1e-12;

// Places in the one-joint scratch.
const P = 0;
const V = 1;
const ACC = 2;
const VMAX = 3;
const AMAX = 4;
const JMAX = 5;
const APLAN = 6;
const JPLAN = 7;
const LOW = 8;
const HIGH = 9;
const TARGET = 10;
const TARGET_V = 11;
const JLO = 12;
const JHI = 13;
const CHOSEN = 14;
const UP_BIT = 15;
const DOWN_BIT = 16;
/** Range of jerks to look in, the one tried now, and the one found. */
const FROM = 17;
const TO = 18;
const TRIED = 19;
const SOLVED = 20;
const NUMBERS = 21;
