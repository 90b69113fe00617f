/** A segment as others see it: it may lose its owner, or its name to a newer one. */
export interface Followable {
  readonly ownerAlive: boolean;
  readonly current: boolean;
  close(): void;
}

export interface FollowerOptions<T extends Followable> {
  /** Opens the newest; throws when there is none. */
  readonly open: () => T;
  readonly nowMs: () => number;
  readonly onAttached?: (segment: T) => void;
  /** Called before it is closed, so that its last words can still be read. */
  readonly onLost?: (segment: T) => void;
}

/** How often it looks whether the segment is still the right one, ms. Looking costs a few system calls. */
const CHECK_PERIOD_MS = 200;

/** Holds on to a segment that comes, goes and is made anew; `current` is the live one or undefined. */
export class Follower<T extends Followable> {
  readonly #options: FollowerOptions<T>;
  #segment: T | undefined;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(options: FollowerOptions<T>) {
    this.#options = options;
  }

  get current(): T | undefined {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#checkedMs >= CHECK_PERIOD_MS) this.check();
    return this.#segment;
  }

  /** Looks now. */
  check(): void {
    this.#checkedMs = this.#options.nowMs();
    if (this.#segment !== undefined && !(this.#segment.ownerAlive && this.#segment.current)) this.#lose();
    if (this.#segment === undefined) this.#attach();
  }

  close(): void {
    this.#segment?.close();
    this.#segment = undefined;
  }

  #lose(): void {
    const segment = this.#segment;
    this.#segment = undefined;
    if (segment === undefined) return;
    this.#options.onLost?.(segment);
    segment.close();
  }

  #attach(): void {
    let segment: T;
    try {
      segment = this.#options.open();
    } catch {
      return; // Not there (yet): the page says so, and the next look tries again.
    }
    if (!segment.ownerAlive) {
      segment.close(); // What a dead process left behind.
      return;
    }
    this.#segment = segment;
    this.#options.onAttached?.(segment);
  }
}
