import type { Telemetry } from '../../../src/remote/gateway/telemetry.ts';

export const HISTORY_S = 30;
const CAPACITY = HISTORY_S * 30;

export const HISTORY_SERIES = ['queueDepth', 'inferenceMs', 'frameAgeMs'] as const;
export type HistorySeries = (typeof HISTORY_SERIES)[number];

/** The last half minute of a few numbers, for plots. A ring: nothing grows. */
export class History {
  readonly #timesMs = new Float64Array(CAPACITY);
  readonly #values: Record<HistorySeries, Float64Array> = {
    queueDepth: new Float64Array(CAPACITY),
    inferenceMs: new Float64Array(CAPACITY),
    frameAgeMs: new Float64Array(CAPACITY),
  };
  #next = 0;
  #length = 0;

  push({ arm }: Telemetry, nowMs: number): void {
    const commanded = arm !== null && arm.commander !== null;
    this.#append(nowMs, (name) => (commanded ? arm[name] : null) ?? Number.NaN);
  }

  /** Breaks the lines: what comes next does not follow on what was. */
  gap(nowMs: number): void {
    this.#append(nowMs, () => Number.NaN);
  }

  #append(nowMs: number, value: (name: HistorySeries) => number): void {
    this.#timesMs[this.#next] = nowMs;
    for (const name of HISTORY_SERIES) this.#values[name][this.#next] = value(name);
    this.#next = (this.#next + 1) % CAPACITY;
    this.#length = Math.min(this.#length + 1, CAPACITY);
  }

  /** Seconds before now (0 is now), oldest first, and the asked series beside it; `null` where there was nothing. */
  read(names: readonly HistorySeries[], nowMs: number): (number | null)[][] {
    const rows: (number | null)[][] = [[], ...names.map(() => [])];
    for (let i = 0; i < this.#length; i++) {
      const at = (this.#next - this.#length + i + CAPACITY) % CAPACITY;
      const ageS = (nowMs - (this.#timesMs[at] ?? 0)) / 1000;
      if (ageS > HISTORY_S) continue;
      rows[0]?.push(-ageS);
      names.forEach((name, series) => {
        const value = this.#values[name][at] ?? Number.NaN;
        rows[series + 1]?.push(Number.isNaN(value) ? null : value);
      });
    }
    return rows;
  }
}
