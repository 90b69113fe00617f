/** Wrong tokens an address may show in {@link WINDOW_MS}; those after it are refused without a look. */
export const MOST_ATTEMPTS = 10;
export const WINDOW_MS = 60_000;
const MOST_ADDRESSES = 4096;

interface Attempts {
  readonly sinceMs: number;
  count: number;
}

/**
 * Counts wrong tokens by address. A right one always passes, so nobody can lock out a neighbour behind the same
 * address, and a stop least of all. Bounded: the address that has waited longest is forgotten first.
 */
export class AttemptLimiter {
  readonly #nowMs: () => number;
  readonly #attempts = new Map<string, Attempts>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Seconds for which this address has to wait; 0 when it may try. */
  waitS(address: string): number {
    const attempts = this.#attempts.get(address);
    if (attempts === undefined) return 0;
    const leftMs = attempts.sinceMs + WINDOW_MS - this.#nowMs();
    if (leftMs <= 0) this.#attempts.delete(address);
    return leftMs > 0 && attempts.count >= MOST_ATTEMPTS ? Math.ceil(leftMs / 1000) : 0;
  }

  failed(address: string): void {
    this.waitS(address);
    const attempts = this.#attempts.get(address);
    if (attempts !== undefined) {
      attempts.count += 1;
      return;
    }
    if (this.#attempts.size >= MOST_ADDRESSES) {
      const [oldest] = this.#attempts.keys();
      if (oldest !== undefined) this.#attempts.delete(oldest);
    }
    this.#attempts.set(address, { sinceMs: this.#nowMs(), count: 1 });
  }
}
