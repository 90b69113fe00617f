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

/** A stop this near needs no look at the way to it, rad or m. */
const NEAR = 0.02;

/**
 * Keeps the arm out of the table and out of itself. Its invariant: from where the arm is, braking ends free. A step
 * is permitted if braking from its end is free too; if not, the caller brakes, which is known to be free, and lets
 * those joints go on that may: one that would leave the obstacle is not held by one that would enter it.
 * An arm that is in violation already may only move where its clearance does not shrink. Allocates nothing.
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

  /** Judges a step to `position` from where braking leads to `stop`. A permitted step is taken as done. */
  permits(position: ArrayLike<number>, stop: ArrayLike<number>): boolean {
    const end = this.clearance(stop);
    if (end < Math.min(0, this.#clearance[0]!) || !this.#wayFree(position, stop)) return false;
    this.#clearance[0] = end;
    return true;
  }

  /** Looks half way as well: two free ends of a long stop may have something between them. */
  #wayFree(position: ArrayLike<number>, stop: ArrayLike<number>): boolean {
    let far = 0;
    for (let i = 0; i < this.#between.length; i++) {
      far = Math.max(far, Math.abs(stop[i]! - position[i]!));
      this.#between[i] = (position[i]! + stop[i]!) / 2;
    }
    if (far <= NEAR) return true;
    const half = this.clearance(this.#between);
    return half >= 0 || half >= this.clearance(position);
  }

  /**
   * Proposes the next step of `limiter` towards a target and makes it a free one. Returns the limiter's bits;
   * {@link held} says whether the envelope had to interfere.
   */
  guide(limiter: JerkLimiter, target: ArrayLike<number>, targetVelocity: ArrayLike<number>): number {
    const { position, stop } = limiter.next;
    const bits = limiter.propose(target, targetVelocity);
    this.held = !this.permits(position, stop);
    if (this.held) {
      limiter.proposeBrake();
      for (let i = 0; i < limiter.dof; i++) {
        limiter.proposeJoint(i, target[i]!, targetVelocity[i]!);
        if (!this.permits(position, stop)) limiter.proposeJointBrake(i);
      }
    }
    return bits;
  }
}
