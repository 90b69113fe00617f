const ANSWERS = 100;

/**
 * The longest of the last hundred answers, ns. The first answer does not count, nor does the first after a failure: a
 * model that has just been loaded, or a server that has just come back, takes longer once. A window forgets a hiccup of
 * the network, which a maximum of all time would hold against it for ever.
 */
export class LatencyWindow {
  readonly #latencies: number[] = [];
  #cold = true;

  /** Undefined before there is any. */
  get mostNs(): number | undefined {
    return this.#latencies.length === 0 ? undefined : Math.max(...this.#latencies);
  }

  answered(latencyNs: number): void {
    if (!this.#cold && latencyNs >= 0) this.#latencies.push(latencyNs);
    if (this.#latencies.length > ANSWERS) this.#latencies.shift();
    this.#cold = false;
  }

  failed(): void {
    this.#cold = true;
  }
}
