/**
 * Temporal ensembling (ACT, arXiv 2304.13705, algorithm 2): each coming step is the weighted mean of everything
 * predicted for it so far, prediction i of a step weighing `exp(-coefficient * i)`, 0 being the oldest.
 * Kept as a running mean, as LeRobot does.
 */
export class TemporalEnsemble {
  readonly #rows: number;
  readonly #columns: number;
  /** `#weights[n]` is that of prediction n, `#sums[n]` of the first n + 1 together. */
  readonly #weights: Float64Array;
  readonly #sums: Float64Array;
  readonly #mean: Float64Array;
  readonly #counts: Uint32Array;
  #timestep: number | undefined;

  constructor(coefficient: number, rows: number, columns: number) {
    this.#rows = rows;
    this.#columns = columns;
    this.#weights = Float64Array.from({ length: rows }, (_, i) => Math.exp(-coefficient * i));
    let sum = 0;
    this.#sums = this.#weights.map((weight) => {
      sum += weight;
      return sum;
    });
    this.#mean = new Float64Array(rows * columns);
    this.#counts = new Uint32Array(rows);
  }

  reset(): void {
    this.#timestep = undefined;
  }

  /**
   * Adds a prediction whose first row is due at `timestep` and returns the ensemble from there on: row 0 is what to
   * do now. Steps that passed since the last call are forgotten; a call that goes back in time starts anew.
   */
  update(prediction: ArrayLike<number>, timestep: number): Float64Array {
    const passed = this.#timestep === undefined ? this.#rows : timestep - this.#timestep;
    this.#timestep = timestep;
    this.#forget(passed < 0 ? this.#rows : Math.min(passed, this.#rows));
    for (let row = 0; row < this.#rows; row++) this.#add(row, prediction);
    return this.#mean.slice();
  }

  #forget(rows: number): void {
    this.#mean.copyWithin(0, rows * this.#columns);
    this.#counts.copyWithin(0, rows);
    this.#counts.fill(0, this.#rows - rows);
  }

  #add(row: number, prediction: ArrayLike<number>): void {
    // A step is predicted more often than there are weights only when time stands still: the last one stays.
    const index = Math.min(this.#counts[row] as number, this.#rows - 1);
    const before = index === 0 ? 0 : (this.#sums[index - 1] as number);
    const weight = this.#weights[index] as number;
    for (let column = 0; column < this.#columns; column++) {
      const at = row * this.#columns + column;
      this.#mean[at] =
        ((this.#mean[at] as number) * before + (prediction[at] as number) * weight) / (before + weight);
    }
    this.#counts[row] = Math.min(index + 1, this.#rows);
  }
}
