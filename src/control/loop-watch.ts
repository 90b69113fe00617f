import type { ProcessLook } from '../platform/process-look.ts';

/**
 * `alive`: it ticks, or is late by no more than may happen. The others call for the guardian:
 * `stopped` by a signal or debugger; `stuck` in one tick, using a core; `starved` of a core for too long.
 */
export type LoopVerdict = 'alive' | 'stopped' | 'stuck' | 'starved';

export interface LoopWatchOptions {
  /** Silence after which a loop that computes, or does not want to run, is given up. */
  readonly timeoutNs: number;
  readonly periodNs: number;
  /** A look at the loop's process, taken only while it is silent. */
  readonly look: () => ProcessLook;
}

/**
 * A loop that the system does not run, or whose core was taken away, commands nothing new: the motors hold the last
 * pose. It gets more patience than one that may do anything, but less than motors have that let go by themselves.
 */
const STARVED_NS = 250e6;

/** A watcher that was itself held up must look again before it blames the loop. */
const LOOKS = 3;

/**
 * Judges from outside whether the loop lives, by its newest tick. It must act well within 50 ms on a real freeze,
 * and must not stop an arm because a busy machine ran the loop late; so it asks the kernel what a silent loop does.
 */
export class LoopWatch {
  readonly #options: LoopWatchOptions;
  readonly #lookAfterNs: number;
  #tickNs = Number.NaN;
  #looks = 0;
  #firstLook: { atNs: number; cpuNs: number } | undefined;

  constructor(options: LoopWatchOptions) {
    this.#options = options;
    this.#lookAfterNs = Math.max(options.timeoutNs / 4, 2.5 * options.periodNs);
  }

  /** One look, every few ms: `tickNs` is the time of the loop's newest tick. */
  observe(nowNs: number, tickNs: number): LoopVerdict {
    if (tickNs !== this.#tickNs) {
      this.#tickNs = tickNs;
      this.#looks = 0;
      this.#firstLook = undefined;
      return 'alive';
    }
    this.#looks += 1;
    const silentNs = nowNs - tickNs;
    if (silentNs < this.#lookAfterNs || this.#looks < LOOKS) return 'alive';

    const { state, cpuNs } = this.#options.look();
    if (state === 'T' || state === 't') return 'stopped';
    // Its end is told by the kernel, with the reason.
    if (state === 'Z' || state === 'X') return 'alive';
    this.#firstLook ??= { atNs: nowNs, cpuNs };
    if (silentNs < this.#options.timeoutNs) return 'alive';
    const computing = !(cpuNs - this.#firstLook.cpuNs < (nowNs - this.#firstLook.atNs) / 2);
    if (computing && nowNs > this.#firstLook.atNs) return 'stuck';
    return silentNs < Math.max(STARVED_NS, this.#options.timeoutNs) ? 'alive' : 'starved';
  }
}
