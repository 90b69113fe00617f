import { fence } from './fence.ts';

/** How often a reader tries before it gives up: some ten microseconds, many times a whole write. */
const ATTEMPTS = 100;

/**
 * A sequence lock: one writer never waits, any number of readers never see half of a write. The word is odd
 * while the writer is at work; a reader copies, and keeps the copy only if the word was even and has not moved.
 */
export class SequenceLock {
  readonly #words: Uint32Array;
  readonly #index: number;

  /** The lock's word is `words[index]`. */
  constructor(words: Uint32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  /** Starts a write. A lock that a dead writer left odd stays odd, as it must. */
  begin(): void {
    const before = Atomics.load(this.#words, this.#index);
    Atomics.store(this.#words, this.#index, before % 2 === 0 ? before + 1 : before);
    fence();
  }

  end(): void {
    Atomics.store(this.#words, this.#index, Atomics.load(this.#words, this.#index) + 1);
  }

  /**
   * Copies `from[i]` to `to[i]` for all i, as one. False when the writer stayed at work throughout, so that what
   * `to` holds is not to be used: it was interrupted or died in the middle of a write. Never waits longer than
   * some ten microseconds, allocates nothing.
   */
  read(from: readonly Float64Array[], to: readonly Float64Array[]): boolean {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = Atomics.load(this.#words, this.#index);
      if (before % 2 !== 0) continue;
      for (let i = 0; i < from.length; i++) to[i]!.set(from[i]!);
      fence();
      if (Atomics.load(this.#words, this.#index) === before) return true;
    }
    return false;
  }
}
