/** Calls that are over sooner are answered by their result alone. */
const PATIENCE_MS = 2;

/**
 * Acknowledges calls that take a while, all that wait for it together. An acknowledgement wakes two processes; most
 * calls are over before it would have arrived.
 */
export class Acknowledger {
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  /** Calls `acknowledge` soon, unless what is returned was called before. */
  soon(acknowledge: () => void): () => void {
    this.#waiting.add(acknowledge);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const due = [...this.#waiting];
      this.#waiting.clear();
      for (const tell of due) tell();
    }, PATIENCE_MS);
    return () => this.#waiting.delete(acknowledge);
  }
}
