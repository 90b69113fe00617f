/** Something that waits for its turn. It is asked what to do only when its turn has come. */
export type Turn = () => Promise<unknown> | undefined;

/**
 * So many model calls at a time, in the order of arrival. A model's buffers and memory are not made for two, so one
 * is the rule; more is for policies that say so. A turn that has nothing left to do passes at once.
 */
export class Turns {
  readonly #width: number;
  readonly #waiting: Turn[] = [];
  readonly #running = new Set<Promise<unknown>>();

  /** @param width calls that may run at the same time */
  constructor(width = 1) {
    this.#width = width;
  }

  /** Turns that wait, those that run not counted. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes a place in the line. Failures are the turn's own affair. */
  enter(turn: Turn): void {
    this.#waiting.push(turn);
    this.#next();
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #next(): void {
    while (this.#running.size < this.#width) {
      const turn = this.#waiting.shift();
      if (turn === undefined) return;
      const work = turn();
      if (work === undefined) continue;
      const ended = () => {
        this.#running.delete(running);
        this.#next();
      };
      const running = work.then(ended, ended);
      this.#running.add(running);
    }
  }
}
