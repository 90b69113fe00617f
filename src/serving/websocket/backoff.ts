/** Pauses between attempts: each twice as long as the last, up to a limit, and never in step with other clients. */
export class Backoff {
  readonly #leastMs: number;
  readonly #mostMs: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(leastMs = 100, mostMs = 5000, random: () => number = Math.random) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
    this.#random = random;
  }

  /** Milliseconds to wait before the next attempt: half to all of the present step. */
  nextMs(): number {
    const stepMs = Math.min(this.#mostMs, this.#leastMs * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 30);
    return stepMs * (0.5 + 0.5 * this.#random());
  }

  /** The attempt succeeded. */
  reset(): void {
    this.#attempts = 0;
  }
}
