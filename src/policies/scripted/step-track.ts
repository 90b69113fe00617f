import type { MotionLimits } from '../../core/motion/jerk-limiter.ts';

/** Numbers whose peak decides how long a move from rest to rest takes: those of the unit quintic. */
const PEAK_VELOCITY = 15 / 8;
const PEAK_ACCELERATION = 10 / Math.sqrt(3);
const PEAK_JERK = 60;
const SAMPLES = 24;
const SLOWER = 1.15;
const MOST_TRIES = 20;

/**
 * Poses by policy step, one row a step, each with a label that says what it is for. It grows at its end by smooth
 * moves and can be cut short at any step: what is added then goes on from the position, velocity and acceleration
 * there, so a change of mind is as smooth as everything else.
 *
 * Moves are quintics from the end's state to rest (T. Flash, N. Hogan, 1985: the least jerk there is), slow enough
 * for a share of each limit.
 */
export class StepTrack<Label> {
  readonly #limits: MotionLimits;
  readonly #periodS: number;
  #first = 0;
  #rows: Float64Array[] = [];
  #labels: Label[] = [];
  #velocity: Float64Array;
  #acceleration: Float64Array;

  constructor(limits: MotionLimits, periodS: number) {
    this.#limits = limits;
    this.#periodS = periodS;
    this.#velocity = new Float64Array(limits.positionMin.length);
    this.#acceleration = new Float64Array(limits.positionMin.length);
  }

  clear(): void {
    this.#rows = [];
    this.#labels = [];
  }

  /** Begins anew: at rest in `pose` at `step`. */
  restart(step: number, pose: ArrayLike<number>, label: Label): void {
    this.#first = step;
    this.#rows = [Float64Array.from(pose)];
    this.#labels = [label];
    this.#velocity.fill(0);
    this.#acceleration.fill(0);
  }

  /** The pose of a step; undefined when the track does not reach it. */
  row(step: number): Float64Array | undefined {
    return this.#rows[step - this.#first];
  }

  label(step: number): Label | undefined {
    return this.#labels[step - this.#first];
  }

  /** Labels of `step` and all later ones. */
  labelsFrom(step: number): Label[] {
    return this.#labels.slice(Math.max(0, step - this.#first));
  }

  /** Where the track ends. */
  get end(): Float64Array {
    return this.#rows.at(-1)!;
  }

  /** Rows from `step` on. */
  remaining(step: number): number {
    return Math.max(0, this.#first + this.#rows.length - step);
  }

  /** Forgets what lies before `step`, but for the two rows that its velocity is known from. */
  forget(step: number): void {
    const count = Math.min(Math.max(0, step - 2 - this.#first), this.#rows.length - 1);
    if (count <= 0) return;
    this.#rows.splice(0, count);
    this.#labels.splice(0, count);
    this.#first += count;
  }

  /** Ends the track at `step`, with the motion it has there. */
  cut(step: number): void {
    const at = step - this.#first;
    if (at < 0 || at >= this.#rows.length - 1) return;
    const before = this.#rows[Math.max(0, at - 1)]!;
    const here = this.#rows[at]!;
    const after = this.#rows[at + 1]!;
    const span = at > 0 ? 2 * this.#periodS : this.#periodS;
    for (let i = 0; i < here.length; i++) {
      this.#velocity[i] = (after[i]! - before[i]!) / span;
      this.#acceleration[i] =
        at > 0 ? (after[i]! - 2 * here[i]! + before[i]!) / (this.#periodS * this.#periodS) : 0;
    }
    this.#rows.length = at + 1;
    this.#labels.length = at + 1;
  }

  /** Stays at the end for a while. The end must be at rest. */
  hold(durationS: number, label: Label): void {
    const pose = this.end;
    for (let k = Math.ceil(durationS / this.#periodS); k > 0; k--) this.#push(pose, label);
  }

  /** Moves from the end to rest in `pose`, with `share` (0 to 1) of every limit. */
  moveTo(pose: ArrayLike<number>, share: number, label: Label): void {
    const from = this.end;
    let steps = Math.max(1, Math.ceil(this.#leastDuration(from, pose, share) / this.#periodS));
    for (let attempt = 0; attempt < MOST_TRIES && !this.#isGentle(from, pose, steps, share); attempt++) {
      steps = Math.ceil(steps * SLOWER) + 1;
    }
    for (let k = 1; k < steps; k++) {
      const row = new Float64Array(from.length);
      for (let i = 0; i < row.length; i++) {
        row[i] = this.#quintic(i, from[i]!, pose[i]!, steps, k / steps, 0);
      }
      this.#push(row, label);
    }
    // To the last bit, so that an end at the edge of a range is not beyond it.
    this.#push(Float64Array.from(pose), label);
    this.#velocity.fill(0);
    this.#acceleration.fill(0);
  }

  #push(row: Float64Array, label: Label): void {
    this.#rows.push(row);
    this.#labels.push(label);
  }

  #leastDuration(from: ArrayLike<number>, to: ArrayLike<number>, share: number): number {
    const { velocityMax, accelerationMax, jerkMax } = this.#limits;
    let durationS = 0;
    for (let i = 0; i < from.length; i++) {
      const d = Math.abs(to[i]! - from[i]!);
      durationS = Math.max(
        durationS,
        (PEAK_VELOCITY * d) / (share * velocityMax[i]!),
        Math.sqrt((PEAK_ACCELERATION * d) / (share * accelerationMax[i]!)),
        Math.cbrt((PEAK_JERK * d) / (share * jerkMax[i]!)),
        (2 * Math.abs(this.#velocity[i]!)) / (share * accelerationMax[i]!),
      );
    }
    return durationS;
  }

  /** Whether a move in so many steps keeps to the limits, and to the share of them unless it began with more. */
  #isGentle(from: ArrayLike<number>, to: ArrayLike<number>, steps: number, share: number): boolean {
    const { velocityMax, accelerationMax } = this.#limits;
    for (let i = 0; i < from.length; i++) {
      const mostV = Math.max(share * velocityMax[i]!, 1.2 * Math.abs(this.#velocity[i]!));
      const mostA = Math.max(1.01 * share * accelerationMax[i]!, 1.5 * Math.abs(this.#acceleration[i]!));
      for (let k = 0; k <= SAMPLES; k++) {
        const s = k / SAMPLES;
        if (Math.abs(this.#quintic(i, from[i]!, to[i]!, steps, s, 1)) > mostV) return false;
        if (Math.abs(this.#quintic(i, from[i]!, to[i]!, steps, s, 2)) > mostA) return false;
      }
    }
    return true;
  }

  /** The quintic from the end's state to rest, or its first or second derivative, at the share `s` of its length. */
  #quintic(joint: number, from: number, to: number, steps: number, s: number, derivative: 0 | 1 | 2): number {
    const T = steps * this.#periodS;
    const d = to - from;
    const v = this.#velocity[joint]! * T;
    const a = this.#acceleration[joint]! * T * T;
    const c3 = 10 * d - 6 * v - 1.5 * a;
    const c4 = -15 * d + 8 * v + 1.5 * a;
    const c5 = 6 * d - 3 * v - 0.5 * a;
    if (derivative === 0) return from + s * (v + s * (a / 2 + s * (c3 + s * (c4 + s * c5))));
    if (derivative === 1) return (v + s * (a + s * (3 * c3 + s * (4 * c4 + s * 5 * c5)))) / T;
    return (a + s * (6 * c3 + s * (12 * c4 + s * 20 * c5))) / (T * T);
  }
}
