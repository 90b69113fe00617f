import { MAX_CHUNK_ROWS } from '../joints.ts';

/** The rows a {@link ChunkPlayer} plays and when they are due. */
export interface PlayableChunk {
  /** `rows * dof` numbers, row by row. */
  readonly actions: ArrayLike<number>;
  readonly rows: number;
  /** Monotonic time at which row 0 is due, ns. */
  readonly startNs: number;
  readonly stepPeriodS: number;
}

/**
 * Turns rows at the policy's rate into a pose and a velocity at any moment. Between rows it goes along a cubic
 * that passes through every row and never beyond its two neighbours (F. N. Fritsch, J. Butland, SIAM J. Sci. Stat.
 * Comput. 5, 1984), before the first row it is there, after the last it stays there.
 *
 * A new chunk never makes the target jump: what it differs by from where the target was, in position and velocity,
 * fades out over the blend time, or the time since the chunk before if that is shorter. Allocates nothing after it is made.
 */
export class ChunkPlayer {
  readonly #dof: number;
  readonly #blendS: number;
  readonly #actions: Float64Array;
  readonly #times = new Float64Array(4);
  readonly #offset: Float64Array;
  readonly #offsetVelocity: Float64Array;
  #rows = 0;

  constructor(dof: number, blendS: number) {
    this.#dof = dof;
    this.#blendS = blendS;
    this.#actions = new Float64Array(MAX_CHUNK_ROWS * dof);
    this.#offset = new Float64Array(dof);
    this.#offsetVelocity = new Float64Array(dof);
  }

  /** Whether there is a chunk to play, run out or not. */
  get playing(): boolean {
    return this.#rows > 0;
  }

  stop(): void {
    this.#rows = 0;
  }

  /**
   * Plays `chunk` from now on, in place of whatever was played. `position` and `velocity` are where the target is
   * now: the blend starts there.
   */
  play(chunk: PlayableChunk, nowNs: number, position: ArrayLike<number>, velocity: ArrayLike<number>): void {
    const dof = this.#dof;
    const times = this.#times;
    times[START] = chunk.startNs;
    times[PERIOD] = chunk.stepPeriodS * 1e9;
    // Of chunks that come quickly one after the other each must get somewhere before the next.
    const sinceS = this.#rows > 0 ? (nowNs - times[BLEND_FROM]!) / 1e9 : this.#blendS;
    times[BLEND_S] = Math.min(Math.max(sinceS, 0), this.#blendS);
    times[BLEND_FROM] = nowNs;
    this.#rows = chunk.rows;
    for (let i = 0; i < chunk.rows * dof; i++) this.#actions[i] = chunk.actions[i]!;
    for (let i = 0; i < dof; i++) {
      this.#offset[i] = position[i]! - this.#cubic(nowNs, i, false);
      this.#offsetVelocity[i] = velocity[i]! - this.#cubic(nowNs, i, true);
    }
  }

  /** Writes where the target is at `nowNs` and how fast it moves, per second. */
  sample(nowNs: number, position: Float64Array, velocity: Float64Array): void {
    const times = this.#times;
    const t = (nowNs - times[BLEND_FROM]!) / 1e9;
    const T = times[BLEND_S]!;
    const s = T > 0 ? Math.min(Math.max(t / T, 0), 1) : 1;
    // Cubic from (offset, its velocity) to (0, 0).
    const keep = (1 - s) * (1 - s) * (1 + 2 * s);
    const swing = s * (1 - s) * (1 - s);
    const keepRate = T > 0 ? (-6 * s * (1 - s)) / T : 0;
    const swingRate = (1 - s) * (1 - 3 * s);
    for (let i = 0; i < this.#dof; i++) {
      const d = this.#offset[i]!;
      const w = this.#offsetVelocity[i]!;
      position[i] = this.#cubic(nowNs, i, false) + keep * d + swing * T * w;
      velocity[i] = this.#cubic(nowNs, i, true) + keepRate * d + swingRate * w;
    }
  }

  /** Index of the row that is being executed; 0 before the first. */
  rowAt(nowNs: number): number {
    const row = Math.floor((nowNs - this.#times[START]!) / this.#times[PERIOD]!);
    return Math.min(Math.max(row, 0), Math.max(this.#rows - 1, 0));
  }

  /** Time since the last row became due, ns; negative while rows are still to come, infinite without a chunk. */
  runOutNs(nowNs: number): number {
    if (this.#rows === 0) return Number.POSITIVE_INFINITY;
    return nowNs - (this.#times[START]! + (this.#rows - 1) * this.#times[PERIOD]!);
  }

  /** Value, or slope per second, of the curve through the rows. */
  #cubic(nowNs: number, joint: number, slope: boolean): number {
    const times = this.#times;
    const at = (nowNs - times[START]!) / times[PERIOD]!;
    const last = this.#rows - 1;
    if (!(at > 0) || at >= last) {
      const row = at > 0 ? last : 0;
      return slope ? 0 : this.#actions[row * this.#dof + joint]!;
    }
    const row = Math.floor(at);
    const s = at - row;
    const q0 = this.#actions[row * this.#dof + joint]!;
    const q1 = this.#actions[(row + 1) * this.#dof + joint]!;
    const m0 = this.#tangent(row, joint);
    const m1 = this.#tangent(row + 1, joint);
    if (slope) {
      const rate = (q1 - q0) * 6 * s * (1 - s) + m0 * (1 - s) * (1 - 3 * s) + m1 * s * (3 * s - 2);
      return (rate * 1e9) / times[PERIOD]!;
    }
    return q0 + (q1 - q0) * s * s * (3 - 2 * s) + m0 * s * (1 - s) * (1 - s) - m1 * s * s * (1 - s);
  }

  /** Slope at a row, per row: between those on both sides, none at a turning point, at rest in the last row. */
  #tangent(row: number, joint: number): number {
    const dof = this.#dof;
    const at = row * dof + joint;
    if (row >= this.#rows - 1) return 0;
    const after = this.#actions[at + dof]! - this.#actions[at]!;
    if (row === 0) return after;
    const before = this.#actions[at]! - this.#actions[at - dof]!;
    return before * after > 0 ? (2 * before * after) / (before + after) : 0;
  }
}

const START = 0;
const PERIOD = 1;
const BLEND_FROM = 2;
const BLEND_S = 3;
