/** The same sentence is told at most once in this time. */
const QUIET_NS = 1e9;
/** More different sentences than this are not remembered. */
const MOST = 64;

/**
 * Keeps a log readable: an arm at an obstacle holds and moves on in turn, and says so many times a second. A sentence
 * that was told less than a second ago is left out; the trace has every tick.
 */
export class LogFilter {
  readonly #toldNs = new Map<string, number>();

  /** Whether to tell `text`, which happened at `timeNs`. */
  tells(text: string, timeNs: number): boolean {
    const lastNs = this.#toldNs.get(text) ?? Number.NEGATIVE_INFINITY;
    if (timeNs - lastNs < QUIET_NS) return false;
    if (this.#toldNs.size >= MOST) this.#toldNs.clear();
    this.#toldNs.set(text, timeNs);
    return true;
  }
}
