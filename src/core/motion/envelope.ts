import type { JerkLimiter } from './jerk-limiter.ts';

/** What an envelope must know of an arm's shape; `CollisionModel` is one. */
export interface Shape {
  /** Gap between the two nearest parts of the arm at `q`, m. */
  selfDistance(q: ArrayLike<number>): { readonly distanceM: number };
  /** Height of the lowest moving part at `q`, m. */
  lowestZ(q: ArrayLike<number>): number;
}

export interface EnvelopeOptions {
  /** Nothing goes below this height, m. NaN: there is no table. */
  readonly tablePlaneZ: number;
  /** Parts of the arm keep this far from each other, m. */
  readonly selfMarginM: number;
}

/** A way to rest is looked at every so often, rad or m of the joint that goes furthest, at most so many times. */
const LOOK_EVERY = 0.08;
const LOOKS_MOST = 16;
/** With less room than this on the way, m, its tightest place is looked for. */
const TIGHT_M = 0.02;
/** A stop this near needs no look at the way to it, rad or m. */
const NEAR = 0.02;

/**
 * Keeps the arm out of the table and out of itself. Its invariant: from where the arm is, braking ends free. A step
 * is permitted if braking from its end is free too; if not, the caller brakes, which is known to be free, and lets
 * those joints go on that may: one that would leave the obstacle is not held by one that would enter it.
 * An arm that is in violation already may only move where its clearance does not shrink. Makes no objects.
 */
export class Envelope {
  readonly #shape: Shape;
  readonly #options: EnvelopeOptions;
  /** Whether the last {@link guide} braked a joint. */
  held = false;
  readonly #between: Float64Array;
  /** Clearance of the pose that braking leads to now. */
  readonly #clearance = new Float64Array(1);

  constructor(shape: Shape, dof: number, options: EnvelopeOptions) {
    this.#shape = shape;
    this.#options = options;
    this.#between = new Float64Array(dof);
    this.#clearance[0] = Number.POSITIVE_INFINITY;
  }

  /** Room at `q`, m: to the table or between parts, whichever is less; negative in violation. */
  clearance(q: ArrayLike<number>): number {
    const own = this.#shape.selfDistance(q).distanceM - this.#options.selfMarginM;
    const plane = this.#options.tablePlaneZ;
    return Number.isNaN(plane) ? own : Math.min(own, this.#shape.lowestZ(q) - plane);
  }

  /** Starts over from an arm at rest at `q`. */
  reset(q: ArrayLike<number>): void {
    this.#clearance[0] = this.clearance(q);
  }

  /** Judges the step that `limiter` proposes, by the way it would brake after it. A permitted step is taken as done. */
  permits(limiter: JerkLimiter): boolean {
    const end = this.clearance(limiter.next.stop);
    if (end < Math.min(0, this.#clearance[0]!) || !this.#wayFree(limiter)) return false;
    this.#clearance[0] = end;
    return true;
  }

  /** Looks along the way too: two free ends of a long stop may have something between them. */
  #wayFree(limiter: JerkLimiter): boolean {
    const { position, stop } = limiter.next;
    let far = 0;
    for (let i = 0; i < this.#between.length; i++) far = Math.max(far, Math.abs(stop[i]! - position[i]!));
    if (far <= NEAR) return true;
    const looks = Math.min(LOOKS_MOST, 2 + Math.floor(far / LOOK_EVERY));
    const timeS = limiter.brakingTimeS();
    let least = Number.POSITIVE_INFINITY;
    let leastAt = 0;
    for (let k = 1; k < looks; k++) {
      const room = this.#roomAt(limiter, (timeS * k) / looks);
      if (room < least) {
        least = room;
        leastAt = k / looks;
      }
    }
    // Where it is tight, closer and closer to the tightest place.
    for (let step = 0.5 / looks; least < TIGHT_M && step > 0.05 / looks; step /= 2) {
      const middle = leastAt;
      for (let side = -1; side <= 1; side += 2) {
        const room = this.#roomAt(limiter, timeS * Math.max(0, middle + side * step));
        if (room < least) {
          least = room;
          leastAt = Math.max(0, middle + side * step);
        }
      }
    }
    // Only an arm that is inside already may have a way that is: the way out.
    return least >= 0 || least >= this.clearance(position);
  }

  #roomAt(limiter: JerkLimiter, timeS: number): number {
    limiter.brakingPose(timeS, this.#between);
    return this.clearance(this.#between);
  }

  /**
   * Proposes the next step of `limiter` towards a target and makes it a free one. Returns the limiter's bits;
   * {@link held} says whether the envelope had to interfere.
   */
  guide(limiter: JerkLimiter, target: ArrayLike<number>, targetVelocity: ArrayLike<number>): number {
    const bits = limiter.propose(target, targetVelocity);
    this.held = !this.permits(limiter);
    if (this.held) {
      limiter.proposeBrake();
      for (let i = 0; i < limiter.dof; i++) {
        const braked = limiter.next.stop[i]!;
        limiter.proposeJoint(i, target[i]!, targetVelocity[i]!);
        if (limiter.next.stop[i] === braked) continue;
        if (!this.permits(limiter)) limiter.proposeJointBrake(i);
      }
      // Braking in time steps ends micrometres from where it was said to: from there on is what counts.
      this.#clearance[0] = this.clearance(limiter.next.stop);
    }
    return bits;
  }
}
