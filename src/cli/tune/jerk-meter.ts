/** Root mean square of the jerk of poses that come one after the other, `periodS` apart, over `joints` joints. */
export class JerkMeter {
  readonly #joints: number;
  readonly #periodS: number;
  /** The last three poses, newest first. */
  readonly #past: Float64Array[] = [];
  #sum = 0;
  #count = 0;

  constructor(joints: number, periodS: number) {
    this.#joints = joints;
    this.#periodS = periodS;
  }

  /** @param pose copied; rad */
  add(pose: ArrayLike<number>): void {
    const [last, before, first] = this.#past;
    if (last !== undefined && before !== undefined && first !== undefined) {
      for (let i = 0; i < this.#joints; i++) {
        const jerk = (pose[i]! - 3 * last[i]! + 3 * before[i]! - first[i]!) / this.#periodS ** 3;
        this.#sum += jerk * jerk;
      }
      this.#count += this.#joints;
    }
    const oldest = this.#past.length < 3 ? new Float64Array(this.#joints) : this.#past.pop()!;
    for (let i = 0; i < this.#joints; i++) oldest[i] = pose[i]!;
    this.#past.unshift(oldest);
  }

  /** Sum of squares and how many, to be joined with others'. */
  get total(): { readonly sum: number; readonly count: number } {
    return { sum: this.#sum, count: this.#count };
  }
}
