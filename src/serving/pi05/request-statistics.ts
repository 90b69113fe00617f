import { percentile } from '../../core/bench-table.ts';

/** Times of the latest requests, ms. */
export interface TimingSummary {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface RequestSummary {
  readonly requests: number;
  readonly failures: number;
  readonly retries: number;
  readonly reconnects: number;
  /** From the call to the answer. */
  readonly total: TimingSummary;
  /** In the server, as it says itself. */
  readonly server: TimingSummary;
  /** What is left: network, encoding, decoding. */
  readonly network: TimingSummary;
}

const KEPT = 1000;

/** What a client's requests took: the latest thousand. */
export class RequestStatistics {
  readonly #totalMs: number[] = [];
  readonly #serverMs: number[] = [];
  #requests = 0;
  failures = 0;
  retries = 0;
  reconnects = 0;

  answered(totalMs: number, serverMs: number): void {
    this.#requests += 1;
    this.#totalMs.push(totalMs);
    this.#serverMs.push(serverMs);
    if (this.#totalMs.length > KEPT) this.#totalMs.shift();
    if (this.#serverMs.length > KEPT) this.#serverMs.shift();
  }

  summary(): RequestSummary {
    const { failures, retries, reconnects } = this;
    return {
      requests: this.#requests,
      failures,
      retries,
      reconnects,
      total: summarise(this.#totalMs),
      server: summarise(this.#serverMs),
      network: summarise(this.#totalMs.map((totalMs, i) => totalMs - (this.#serverMs[i] as number))),
    };
  }
}

function summarise(values: readonly number[]): TimingSummary {
  const sorted = Float64Array.from(values).sort();
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return {
    mean,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}
