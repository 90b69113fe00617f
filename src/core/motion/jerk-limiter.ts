import { JointJerk, MotionBit, Place } from './joint-jerk.ts';
import { brakingPosition, brakingTime, highestPosition, lowestPosition, stopPosition } from './stopping.ts';

/** Limits of each joint; all vectors equally long. */
export interface MotionLimits {
  readonly positionMin: ArrayLike<number>;
  readonly positionMax: ArrayLike<number>;
  readonly velocityMax: ArrayLike<number>;
  readonly accelerationMax: ArrayLike<number>;
  readonly jerkMax: ArrayLike<number>;
}

/** Braking is planned with a little less than is allowed; the rest corrects what time steps round off. */
const PLANNED_ACCELERATION = 0.95;
const PLANNED_JERK = 0.9;
/** Kept free of rounding: differences of published positions must pass an exact comparison. */
const ROUNDING = 1e-6;
/** Most of a joint's range that is kept free at each edge; slow loops with short ranges would take more. */
const EDGE_SHARE = 0.05;

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
  readonly #jerk: JointJerk;
  /** Its numbers: one joint at a time. */
  readonly #joint: Float64Array;

  constructor(limits: MotionLimits, dtS: number) {
    this.dof = limits.positionMin.length;
    this.#dt = dtS;
    this.#jerk = new JointJerk(dtS);
    this.#joint = this.#jerk.numbers;
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
    this.#jerk.towardsRest();
    this.#take(i);
  }

  /** How long braking from the proposed state takes at most, s. */
  brakingTimeS(): number {
    const { velocity, acceleration } = this.next;
    let timeS = 0;
    for (let i = 0; i < this.dof; i++) {
      this.#loadLimits(i);
      const joint = this.#joint;
      timeS = Math.max(
        timeS,
        brakingTime(velocity[i]!, acceleration[i]!, joint[Place.APLAN]!, joint[Place.JPLAN]!),
      );
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
        joint[Place.APLAN]!,
        joint[Place.JPLAN]!,
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
    bits |= this.#jerk.towardsTarget();
    this.#take(i);
    return bits;
  }

  #load(i: number, target: number, targetVelocity: number): void {
    const joint = this.#joint;
    const dt = this.#dt;
    joint[Place.P] = this.position[i]!;
    joint[Place.V] = this.velocity[i]!;
    joint[Place.ACC] = this.acceleration[i]!;
    this.#loadLimits(i);
    joint[Place.LOW] = this.#low[i]!;
    joint[Place.HIGH] = this.#high[i]!;
    joint[Place.TARGET] = target + targetVelocity * dt;
    joint[Place.TARGET_V] = targetVelocity;
    const a = joint[Place.ACC]!;
    joint[Place.JLO] = Math.max(-joint[Place.JMAX]!, (-joint[Place.AMAX]! - a) / dt);
    joint[Place.JHI] = Math.min(joint[Place.JMAX]!, (joint[Place.AMAX]! - a) / dt);
  }

  #loadLimits(i: number): void {
    const joint = this.#joint;
    const dt = this.#dt;
    joint[Place.AMAX] = this.#limits.accelerationMax[i]! * (1 - ROUNDING);
    joint[Place.JMAX] = this.#limits.jerkMax[i]! * (1 - ROUNDING);
    // Between two steps the velocity may bulge by an eighth of what one step of jerk adds to it.
    joint[Place.VMAX] = this.#limits.velocityMax[i]! * (1 - ROUNDING) - (joint[Place.JMAX]! * dt * dt) / 8;
    joint[Place.APLAN] = joint[Place.AMAX]! * PLANNED_ACCELERATION;
    joint[Place.JPLAN] = joint[Place.JMAX]! * PLANNED_JERK;
  }

  /** Works out the proposed state from the CHOSEN jerk. */
  #take(i: number): void {
    const j = this.#joint[Place.CHOSEN]!;
    const dt = this.#dt;
    const { next } = this;
    const joint = this.#joint;
    const a0 = joint[Place.ACC]!;
    const v0 = joint[Place.V]!;
    let a = a0 + j * dt;
    let v = v0 + dt * (a0 + (j * dt) / 2);
    const p = joint[Place.P]! + dt * (v0 + dt * (a0 / 2 + (j * dt) / 6));
    // What rounding leaves of a standstill is a standstill.
    if (Math.abs(a) < REST * joint[Place.JMAX]! * dt && Math.abs(v) < REST * joint[Place.JMAX]! * dt * dt) {
      a = 0;
      v = 0;
    }
    next.position[i] = p;
    next.velocity[i] = v;
    next.acceleration[i] = a;
    next.stop[i] = stopPosition(p, v, a, joint[Place.APLAN]!, joint[Place.JPLAN]!);
  }

  /** A range that was stretched to a start outside shrinks as the joint comes back in. */
  #shrinkRange(i: number): void {
    const joint = this.#joint;
    if (this.#high[i]! <= this.#edgeHigh(i) && this.#low[i]! >= this.#edgeLow(i)) return;
    this.#load(i, 0, 0);
    const highest = highestPosition(
      joint[Place.P]!,
      joint[Place.V]!,
      joint[Place.ACC]!,
      joint[Place.APLAN]!,
      joint[Place.JPLAN]!,
    );
    const lowest = lowestPosition(
      joint[Place.P]!,
      joint[Place.V]!,
      joint[Place.ACC]!,
      joint[Place.APLAN]!,
      joint[Place.JPLAN]!,
    );
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
