import { libc } from './libc.ts';

const POLLIN = 1;
const IDLE = -1;

/** Waits for any of a set of descriptors to have something to read (or to be closed by the peer). */
export class Poller {
  // struct pollfd: i32 fd, i16 events, i16 revents.
  #entries = new Int32Array(0);
  #count = 0;
  readonly #timeout = new Uint32Array(4);

  /** Replaces the set. `ready(i)` speaks of `fds[i]`. Negative descriptors are never ready. */
  set(fds: ArrayLike<number>): void {
    this.#count = fds.length;
    if (this.#entries.length < 2 * this.#count) this.#entries = new Int32Array(2 * this.#count);
    for (let i = 0; i < this.#count; i++) {
      this.#entries[2 * i] = fds[i] ?? IDLE;
      this.#entries[2 * i + 1] = POLLIN;
    }
  }

  /** Blocks for at most `timeoutNs`. Returns how many descriptors are ready; 0 after the time or a signal. */
  wait(timeoutNs: number): number {
    const wholeS = Math.floor(timeoutNs / 1e9);
    this.#timeout[0] = wholeS;
    this.#timeout[2] = timeoutNs - wholeS * 1e9;
    for (let i = 0; i < this.#count; i++) this.#entries[2 * i + 1] = POLLIN;
    return Math.max(0, libc().ppoll(this.#entries, this.#count, this.#timeout, null));
  }

  /** Whether descriptor `index` of the set was ready at the last {@link wait}. */
  ready(index: number): boolean {
    return index < this.#count && this.#entries[2 * index + 1]! >>> 16 !== 0;
  }
}
