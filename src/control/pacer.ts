import type { LoopStatistics } from './loop-statistics.ts';

/** What the pacer needs of a clock: the time, and two ways to wait for an absolute moment of the same clock. */
export interface SleepingClock {
  nowNs(): number;
  /** Returns at or after `deadlineNs`; at once when that is past. */
  sleepUntilNs(deadlineNs: number): void;
  /** The same without letting go of the core. */
  spinUntilNs(deadlineNs: number): void;
}

/**
 * The deadline that a loop which finished `previousNs` and woke at `nowNs` is serving: one period on, or, when that
 * is a whole period or more in the past, the newest one that is due. What lies between is skipped, never caught up.
 * All deadlines stay on the grid `previousNs + k * periodNs`, so lateness never accumulates.
 */
export function nextDeadline(previousNs: number, periodNs: number, nowNs: number): number {
  const nextNs = previousNs + periodNs;
  return nowNs < nextNs + periodNs ? nextNs : nextNs + Math.floor((nowNs - nextNs) / periodNs) * periodNs;
}

export interface PacerOptions {
  readonly periodNs: number;
  /** Sleep until this long before the deadline, then spin. 0 only sleeps. */
  readonly spinNs: number;
  readonly clock: SleepingClock;
  readonly statistics: LoopStatistics;
}

/**
 * Gives a loop its rhythm on absolute monotonic deadlines and keeps its figures.
 * Use: `start()`, then for every tick `wait()`, work, `done()`. Allocates nothing.
 */
export class Pacer {
  readonly #periodNs: number;
  readonly #spinNs: number;
  readonly #clock: SleepingClock;
  readonly #statistics: LoopStatistics;
  /** In an array, because a number that outgrows 31 bits in a field of an object is boxed anew at every change. */
  readonly #times = new Float64Array(2);

  constructor({ periodNs, spinNs, clock, statistics }: PacerOptions) {
    this.#periodNs = periodNs;
    this.#spinNs = spinNs;
    this.#clock = clock;
    this.#statistics = statistics;
  }

  /** The first tick is due one period from now. */
  start(): void {
    this.#times[DEADLINE] = this.#clock.nowNs();
  }

  /** Waits for the next tick and returns the time at which it begins, ns. */
  wait(): number {
    const times = this.#times;
    const clock = this.#clock;
    const dueNs = times[DEADLINE]! + this.#periodNs;
    clock.sleepUntilNs(dueNs - this.#spinNs);
    if (this.#spinNs > 0) clock.spinUntilNs(dueNs);
    const nowNs = clock.nowNs();
    const servedNs = nextDeadline(times[DEADLINE]!, this.#periodNs, nowNs);
    const skipped = Math.round((servedNs - dueNs) / this.#periodNs);
    this.#statistics.begin(dueNs, nowNs, skipped);
    times[DEADLINE] = servedNs;
    times[WAKE] = nowNs;
    return nowNs;
  }

  /** The tick is done. */
  done(): void {
    this.#statistics.end(this.#clock.nowNs() - this.#times[WAKE]!);
  }
}

const DEADLINE = 0;
const WAKE = 1;
