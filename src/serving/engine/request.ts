import { MyelinError, toMyelinError } from '../../core/errors.ts';

export interface RequestTiming {
  /** From arrival to the model's start, ms. */
  readonly queueMs: number;
  /** In the model and its processors, ms. */
  readonly modelMs: number;
  /** From arrival to the answer, ms. */
  readonly totalMs: number;
}

export interface RequestSettings<Result> {
  /** The work itself, when the turn has come. */
  readonly work: (signal: AbortSignal) => Promise<Result>;
  /** Milliseconds from arrival in which there must be an answer. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Monotonic time, ms. */
  readonly nowMs: () => number;
}

/** A request, whatever it answers. */
export interface PendingRequest {
  readonly settled: boolean;
  /** Does the work, unless the request was settled while it waited. Never rejects. */
  run(): Promise<void>;
  /** Settles it with a failure, if it was not settled before. */
  fail(error: MyelinError): void;
}

/**
 * One request on its way: it waits, runs, and is settled exactly once, by its answer or by the name of what came in
 * between. The work of a request that was settled early is aborted; its turn lasts until it has really ended.
 */
export class EngineRequest<Result> implements PendingRequest {
  readonly answer: Promise<{ result: Result; timing: RequestTiming }>;
  readonly #settings: RequestSettings<Result>;
  readonly #abort = new AbortController();
  readonly #arrivedMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #cancelled: () => void;
  #resolve: (answer: { result: Result; timing: RequestTiming }) => void = () => undefined;
  #reject: (reason: MyelinError) => void = () => undefined;
  #settled = false;
  #running = false;

  constructor(settings: RequestSettings<Result>) {
    this.#settings = settings;
    const { nowMs, deadlineMs, signal } = settings;
    this.#arrivedMs = nowMs();
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => this.#expire(), deadlineMs);
    this.#cancelled = () => this.fail(cancelled(signal?.reason));
    signal?.addEventListener('abort', this.#cancelled, { once: true });
    if (signal?.aborted) this.#cancelled();
  }

  get settled(): boolean {
    return this.#settled;
  }

  async run(): Promise<void> {
    if (this.#settled) return;
    this.#running = true;
    const { nowMs, work } = this.#settings;
    const startedMs = nowMs();
    try {
      const result = await work(this.#abort.signal);
      const endedMs = nowMs();
      if (!this.#settle()) return;
      this.#resolve({
        result,
        timing: {
          queueMs: startedMs - this.#arrivedMs,
          modelMs: endedMs - startedMs,
          totalMs: endedMs - this.#arrivedMs,
        },
      });
    } catch (thrown) {
      this.fail(toMyelinError(thrown));
    }
  }

  fail(error: MyelinError): void {
    if (!this.#settle()) return;
    this.#abort.abort(error);
    this.#reject(error);
  }

  #expire(): void {
    const stage = this.#running ? 'the model was at work' : 'it waited for its turn';
    this.fail(new MyelinError('DEADLINE_EXCEEDED', { deadlineMs: this.#settings.deadlineMs, stage }));
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#settings.signal?.removeEventListener('abort', this.#cancelled);
    return true;
  }
}

function cancelled(reason: unknown): MyelinError {
  if (reason instanceof MyelinError) return reason;
  const text = reason instanceof Error ? reason.message : String(reason ?? 'by the caller');
  return new MyelinError('REQUEST_CANCELLED', { reason: text }, { cause: reason });
}
