import type { MotionLimits } from './jerk-limiter.ts';

/** Peaks of the unit quintic 10s^3 - 15s^4 + 6s^5 over unit time (T. Flash, N. Hogan, 1985): its derivatives' maxima. */
export const PEAK_VELOCITY = 15 / 8;
export const PEAK_ACCELERATION = 10 / Math.sqrt(3);
export const PEAK_JERK = 60;

/**
 * A move from rest to rest with the least jerk over its length. All joints start and end together, and the
 * slowest decides how long it takes. Reusable; allocates nothing after it is made.
 */
export class MinimumJerkMove {
  readonly #limits: MotionLimits;
  readonly #share: number;
  readonly #from: Float64Array;
  readonly #to: Float64Array;
  readonly #times = new Float64Array(1);

  /** @param share part of each limit that may be used, 0 to 1 */
  constructor(limits: MotionLimits, share: number) {
    this.#limits = limits;
    this.#share = share;
    this.#from = new Float64Array(limits.positionMin.length);
    this.#to = new Float64Array(limits.positionMin.length);
  }

  get durationS(): number {
    return this.#times[0]!;
  }

  plan(from: ArrayLike<number>, to: ArrayLike<number>): void {
    let durationS = 0;
    const { velocityMax, accelerationMax, jerkMax } = this.#limits;
    for (let i = 0; i < this.#from.length; i++) {
      this.#from[i] = from[i]!;
      this.#to[i] = to[i]!;
      const d = Math.abs(to[i]! - from[i]!);
      durationS = Math.max(
        durationS,
        (PEAK_VELOCITY * d) / (this.#share * velocityMax[i]!),
        Math.sqrt((PEAK_ACCELERATION * d) / (this.#share * accelerationMax[i]!)),
        Math.cbrt((PEAK_JERK * d) / (this.#share * jerkMax[i]!)),
      );
    }
    this.#times[0] = durationS;
  }

  /** Pose and velocity `timeS` after the start; the start before it, the end after it. */
  sample(timeS: number, position: Float64Array, velocity: Float64Array): void {
    const durationS = this.#times[0]!;
    const s = durationS > 0 ? Math.min(Math.max(timeS / durationS, 0), 1) : 1;
    const along = s * s * s * (10 + s * (6 * s - 15));
    const speed = durationS > 0 ? (30 * s * s * (1 - s) * (1 - s)) / durationS : 0;
    for (let i = 0; i < this.#from.length; i++) {
      const d = this.#to[i]! - this.#from[i]!;
      position[i] = this.#from[i]! + along * d;
      velocity[i] = speed * d;
    }
  }
}
