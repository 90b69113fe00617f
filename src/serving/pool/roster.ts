import type { LoadReport } from './load-report.ts';

/** Reports that may be missing before a worker counts as gone. */
export const MISSED_REPORTS = 3;

/** Times shorter than this are all the same: the network takes as long. */
const LEAST_MS = 5;

interface Entry {
  readonly report: LoadReport;
  readonly heardMs: number;
  /** Robots sent there since its report. */
  sent: number;
}

/** Who is in the pool and how busy, by the load reports. */
export class Roster {
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();

  /** @param nowMs monotonic time, ms */
  constructor(nowMs: () => number, random: () => number = Math.random) {
    this.#nowMs = nowMs;
    this.#random = random;
  }

  hear(report: LoadReport): void {
    this.#entries.set(report.worker, { report, heardMs: this.#nowMs(), sent: 0 });
  }

  /** Every worker that is heard and not about to leave. */
  get present(): readonly LoadReport[] {
    return this.#fresh().map(({ report }) => report);
  }

  /** Names of the models the pool serves, in order. */
  get models(): readonly string[] {
    return [...new Set(this.present.flatMap(({ models }) => models))].sort();
  }

  /**
   * Workers that serve the model, the least loaded first, by how long a robot would wait: those that are there or
   * sent there, times what an answer takes. Workers that are equal come in random order. The first is counted as sent.
   */
  choose(model: string, exclude: readonly string[] = []): readonly string[] {
    const serving = this.#fresh().filter(
      ({ report }) => report.models.includes(model) && !exclude.includes(report.worker),
    );
    const known = serving.flatMap(({ report }) => report.p50_ms ?? []).sort((a, b) => a - b);
    // A worker that has not answered yet is taken to be as fast as the one in the middle.
    const usualMs = known[Math.floor(known.length / 2)] ?? 1;
    const ranked = serving
      .map((entry) => {
        const { sessions, in_flight, queued, p50_ms = usualMs } = entry.report;
        const crowd = 1 + sessions + in_flight + queued + entry.sent;
        return { entry, waitMs: crowd * Math.max(p50_ms, LEAST_MS), lot: this.#random() };
      })
      .sort((a, b) => a.waitMs - b.waitMs || a.lot - b.lot);
    const [best] = ranked;
    if (best !== undefined) best.entry.sent += 1;
    return ranked.map(({ entry }) => entry.report.worker);
  }

  #fresh(): Entry[] {
    const nowMs = this.#nowMs();
    for (const [worker, { report, heardMs }] of this.#entries)
      if (nowMs - heardMs > MISSED_REPORTS * report.report_ms) this.#entries.delete(worker);
    return [...this.#entries.values()].filter(({ report }) => !report.leaving);
  }
}
