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
 * braking from there would end (`next.stop`) and decide otherwise. Allocates nothing.
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
    this.#take(i, this.#brakeJerk());
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
    this.#take(i, this.#joint[CHOSEN]!);
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
    if (this.#side(Bound.VELOCITY_UP, joint[JHI]!) > 0) {
      joint[JHI] = this.#solve(Bound.VELOCITY_UP, least, joint[JHI]!);
      joint[UP_BIT] = MotionBit.VELOCITY;
    }
    if (this.#side(Bound.HIGHEST, joint[JHI]!) > 0) {
      joint[JHI] = this.#solve(Bound.HIGHEST, least, joint[JHI]!);
      joint[UP_BIT] = MotionBit.POSITION;
    }
    if (this.#side(Bound.VELOCITY_DOWN, joint[JLO]!) < 0) {
      joint[JLO] = this.#solve(Bound.VELOCITY_DOWN, joint[JLO]!, most);
      joint[DOWN_BIT] = MotionBit.VELOCITY;
    }
    if (this.#side(Bound.LOWEST, joint[JLO]!) < 0) {
      joint[JLO] = this.#solve(Bound.LOWEST, joint[JLO]!, most);
      joint[DOWN_BIT] = MotionBit.POSITION;
    }
  }

  /** Jerk towards the target. Leaves it in CHOSEN, returns what shaped it. */
  #chooseJerk(): number {
    const joint = this.#joint;
    this.#narrow();
    const lo = joint[JLO]!;
    const hi = joint[JHI]!;
    const upBit = joint[UP_BIT]!;
    const downBit = joint[DOWN_BIT]!;
    const exact = this.#deadbeatJerk();
    let wanted = exact;
    let bits = 0;
    if (Number.isNaN(exact)) {
      if (this.#side(Bound.TARGET, hi) <= 0) {
        wanted = hi;
        bits = upBit;
      } else if (this.#side(Bound.TARGET, lo) >= 0) {
        wanted = lo;
        bits = downBit;
      } else {
        wanted = this.#solve(Bound.TARGET, lo, hi);
      }
    } else if (exact > hi) bits = upBit;
    else if (exact < lo) bits = downBit;
    joint[CHOSEN] = Math.min(Math.max(wanted, lo), hi);
    return bits;
  }

  /**
   * First of the three jerks that put the joint exactly on the target, at the target's velocity, three steps from
   * now; NaN when that takes more jerk than there is. This ends every motion, without ripple.
   */
  #deadbeatJerk(): number {
    const joint = this.#joint;
    const dt = this.#dt;
    const a = joint[ACC]!;
    const w = joint[V]! - joint[TARGET_V]!;
    const e = joint[P]! - (joint[TARGET]! - joint[TARGET_V]! * dt);
    if (a === 0 && w === 0 && Math.abs(e) < NOWHERE) return 0;
    const s0 = -a / dt;
    const s1 = -(w + 3 * dt * a) / (dt * dt);
    const s2 = -(e + 3 * dt * w + 4.5 * dt * dt * a) / (dt * dt * dt);
    const j1 = s2 - s1 + s0 / 3;
    const j2 = s1 - s0 / 2 - 2 * j1;
    const j3 = s0 - j1 - j2;
    const most = joint[JMAX]!;
    return Math.abs(j1) <= most && Math.abs(j2) <= most && Math.abs(j3) <= most ? j1 : Number.NaN;
  }

  /** Jerk that brings the joint to rest soonest; keeps to the planned limits, so that it ends where `stop` says. */
  #brakeJerk(): number {
    const joint = this.#joint;
    const dt = this.#dt;
    const a = joint[ACC]!;
    const deepest = Math.max(joint[APLAN]!, Math.abs(a));
    const lo = Math.max(-joint[JPLAN]!, (-deepest - a) / dt);
    const hi = Math.min(joint[JPLAN]!, (deepest - a) / dt);
    let wanted: number;
    if (this.#side(Bound.REST, lo) >= 0) wanted = lo;
    else if (this.#side(Bound.REST, hi) <= 0) wanted = hi;
    else wanted = this.#solve(Bound.REST, lo, hi);
    this.#narrow();
    return Math.min(Math.max(wanted, joint[JLO]!), joint[JHI]!);
  }

  /**
   * Whether the state after a step with jerk `j` lies above (1), on (0) or below (-1) a bound; never falls as `j`
   * grows. A small whole number, because a fraction that a function returns is boxed anew each time.
   */
  #side(bound: BoundCode, j: number): number {
    const joint = this.#joint;
    const J = joint[JPLAN]!;
    const A = joint[APLAN]!;
    const dt = this.#dt;
    const a0 = joint[ACC]!;
    const v0 = joint[V]!;
    const a = a0 + j * dt;
    const v = v0 + dt * (a0 + (j * dt) / 2);
    const p = joint[P]! + dt * (v0 + dt * (a0 / 2 + (j * dt) / 6));
    let excess = 0;
    switch (bound) {
      case Bound.VELOCITY_UP:
        excess = v + Math.max(0, velocityToCome(a, J * dt, dt)) - joint[VMAX]!;
        break;
      case Bound.VELOCITY_DOWN:
        excess = v + Math.min(0, velocityToCome(a, J * dt, dt)) + joint[VMAX]!;
        break;
      case Bound.HIGHEST:
        excess = highestPosition(p, v, a, A, J) - joint[HIGH]!;
        break;
      case Bound.LOWEST:
        excess = lowestPosition(p, v, a, A, J) - joint[LOW]!;
        break;
      case Bound.TARGET:
        excess = stopPosition(p, v - joint[TARGET_V]!, a, A, J) - joint[TARGET]!;
        break;
      case Bound.REST:
        excess = v + velocityToCome(a, J * dt, dt);
        break;
    }
    return excess > 0 ? 1 : excess < 0 ? -1 : 0;
  }

  /** The jerk in [lo, hi] at which the excess passes through zero: the end on the safe side of it. */
  #solve(bound: BoundCode, lo: number, hi: number): number {
    const fromBelow = bound !== Bound.VELOCITY_DOWN && bound !== Bound.LOWEST;
    for (let i = 0; i < BISECTIONS; i++) {
      const middle = (lo + hi) / 2;
      if (this.#side(bound, middle) > 0) hi = middle;
      else lo = middle;
    }
    return fromBelow ? lo : hi;
  }

  #take(i: number, j: number): void {
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
const NUMBERS = 17;
