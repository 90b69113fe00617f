import { bucketOf } from '../core/histogram.ts';
import { LATENESS_BUCKETS, STATISTICS_LAYOUT } from '../segment/arm-layout.ts';

const { ticks, missed, periodNs, latenessMaxNs, executionMaxNs } = STATISTICS_LAYOUT;
const { latenessSumNs, executionSumNs, latenessLastNs, executionLastNs } = STATISTICS_LAYOUT;
const { latenessHistogram, executionHistogram, periodHistogram } = STATISTICS_LAYOUT;

/**
 * The loop's figures about itself, kept where everyone can read them. It writes through typed arrays and not the
 * named accessors, because those would allocate in code that is not compiled yet.
 */
export class LoopStatistics {
  readonly #numbers: Float64Array;
  readonly #lateness: Uint32Array;
  readonly #execution: Uint32Array;
  readonly #period: Uint32Array;
  readonly #periodNs: number;
  #lastWakeNs = Number.NaN;
  #lastSkipped = 0;

  constructor(memory: ArrayBufferLike, nominalPeriodNs: number) {
    this.#numbers = new Float64Array(memory, ticks.offset, 9);
    this.#lateness = new Uint32Array(memory, latenessHistogram.offset, LATENESS_BUCKETS);
    this.#execution = new Uint32Array(memory, executionHistogram.offset, LATENESS_BUCKETS);
    this.#period = new Uint32Array(memory, periodHistogram.offset, LATENESS_BUCKETS);
    this.#periodNs = nominalPeriodNs;
    this.clear();
  }

  clear(): void {
    for (const array of [this.#numbers, this.#lateness, this.#execution, this.#period]) array.fill(0);
    this.#numbers[at(periodNs)] = this.#periodNs;
    this.#lastWakeNs = Number.NaN;
  }

  /** A tick begins: it was due at `deadlineNs`, began at `wakeNs`, and `skipped` periods were lost before it. */
  begin(deadlineNs: number, wakeNs: number, skipped: number): void {
    const numbers = this.#numbers;
    const lateNs = wakeNs - deadlineNs;
    numbers[at(ticks)]! += 1;
    numbers[at(missed)]! += skipped;
    this.#lastSkipped = skipped;
    numbers[at(latenessLastNs)] = lateNs;
    numbers[at(latenessSumNs)]! += lateNs;
    if (lateNs > numbers[at(latenessMaxNs)]!) numbers[at(latenessMaxNs)] = lateNs;
    this.#lateness[bucketOf(lateNs, LATENESS_BUCKETS)]! += 1;
    const distanceNs = Math.abs(wakeNs - this.#lastWakeNs - this.#periodNs);
    if (distanceNs >= 0) this.#period[bucketOf(distanceNs, LATENESS_BUCKETS)]! += 1;
    this.#lastWakeNs = wakeNs;
  }

  /** The tick that began last is done and took this long. */
  end(durationNs: number): void {
    const numbers = this.#numbers;
    numbers[at(executionLastNs)] = durationNs;
    numbers[at(executionSumNs)]! += durationNs;
    if (durationNs > numbers[at(executionMaxNs)]!) numbers[at(executionMaxNs)] = durationNs;
    this.#execution[bucketOf(durationNs, LATENESS_BUCKETS)]! += 1;
  }

  /** Writes what is known of the last tick, in the order of {@link LOOP_COLUMNS}, to `row` from `start` on. */
  lastTick(row: Float64Array, start: number): void {
    row[start] = this.#numbers[at(latenessLastNs)]!;
    row[start + 1] = this.#numbers[at(executionLastNs)]!;
    row[start + 2] = this.#lastSkipped;
  }
}

/** What the loop records of a tick: its wake-up lateness, its duration, and the periods skipped before it. */
export const LOOP_COLUMNS = ['latenessNs', 'executionNs', 'missed'] as const;

/** Index of a field in the block of numbers that begins with `ticks`. */
function at(field: { readonly offset: number }): number {
  return (field.offset - ticks.offset) >> 3;
}
