/** The mean rate of observations since the first one, by the client's own clock. */
export class FrameRate {
  #firstS: number | undefined;
  #count = 0;

  /** @returns the mean rate so far, Hz; 0 while there is none to tell */
  add(timestampS: number): number {
    this.#count += 1;
    this.#firstS ??= timestampS;
    const elapsedS = timestampS - this.#firstS;
    return elapsedS > 1e-6 ? (this.#count - 1) / elapsedS : 0;
  }

  reset(): void {
    this.#firstS = undefined;
    this.#count = 0;
  }
}
