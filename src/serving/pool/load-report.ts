import { z } from 'zod';
import { type WireMap, wireMap } from '../openpi/wire-value.ts';
import { ID } from './subjects.ts';

const count = z.int().min(0).max(1_000_000);
const durationMs = z.number().min(0).max(86_400_000);

export const loadReportSchema = z.strictObject({
  kind: z.literal('load'),
  worker: z.string().regex(ID),
  /** For people: usually its machine. */
  name: z.string().max(200),
  /** What its models run on: `cuda:0`, `cpu`, `upstream`. */
  device: z.string().max(100),
  /** Names of the models it serves. */
  models: z.array(z.string().min(1).max(200)).max(100),
  /** Robots that have a session there. */
  sessions: count,
  /** Requests that a model works on. */
  in_flight: count,
  /** Requests that wait for their turn. */
  queued: count,
  /** Time from arrival to answer there, over the last answers; absent before the first. */
  p50_ms: durationMs.optional(),
  p90_ms: durationMs.optional(),
  p99_ms: durationMs.optional(),
  /** Answers since it started. */
  answered: z.int().min(0),
  /** Whether it is about to leave and takes no new sessions. */
  leaving: z.boolean(),
  /** Milliseconds until its next report. */
  report_ms: z.number().min(10).max(60_000),
});

export type LoadReport = z.infer<typeof loadReportSchema>;

export const writeLoadReport = (report: LoadReport): WireMap => wireMap(report);

/** Keeps the newest latencies and tells their percentiles. */
export class LatencyWindow {
  readonly #values: Float64Array;
  #count = 0;

  constructor(size = 512) {
    this.#values = new Float64Array(size);
  }

  /** Values seen since the start. */
  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    this.#values[this.#count % this.#values.length] = ms;
    this.#count += 1;
  }

  /** The smallest value that `share` of the kept ones do not exceed; undefined before the first. */
  percentile(share: number): number | undefined {
    const sorted = this.#values.slice(0, this.#count).sort();
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  }
}
