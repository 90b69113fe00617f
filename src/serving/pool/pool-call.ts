import { randomUUID } from 'node:crypto';
import { MyelinError, toMyelinError } from '../../core/errors.ts';
import { Backoff } from '../websocket/backoff.ts';
import type { PoolAnswer } from './messages.ts';
import type { Outcome } from './pool-link.ts';

/** Where a call's workers come from. */
export interface CallHost {
  /** The worker this robot is pinned to, found when there is none. @throws MyelinError POOL_NO_WORKER and others */
  pin(): Promise<string>;
  /** Another worker that has the model, for one request; undefined when there is none or none is due now. */
  standIn(instead: string): Promise<string | undefined>;
  /** The worker cannot serve this robot any longer. */
  release(worker: string, reason: string): void;
  /** Sends the request to a worker. @returns stops waiting for its answer */
  send(worker: string, id: string, remainingMs: number, hear: (outcome: Outcome) => void): () => void;
  /** Its answer is not needed any more. */
  cancel(worker: string, id: string): void;
  /** Why nothing can be sent just now; undefined when it can. */
  unreachable(): MyelinError | undefined;
}

export interface CallOptions {
  readonly deadlineMs: number;
  /** Time after which another worker is asked too; undefined asks none. */
  readonly hedgeMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a call came to. */
export interface CallResult {
  readonly answer: PoolAnswer;
  /** Whether the worker that was asked second answered first. */
  readonly byStandIn: boolean;
  readonly totalMs: number;
}

/** A worker that says so has not done the work: another may. */
const ELSEWHERE = new Set(['POOL_WORKER_BUSY', 'SESSION_CLOSED']);

/**
 * One request on its way through the pool. It goes to the pinned worker, to the next one when that is lost, and to a
 * second one when the answer takes long. However many were asked, it is settled once, by the first answer; those of
 * the others are dropped, because they carry an id that nobody waits for.
 */
export class PoolCall {
  readonly id: string = randomUUID();
  readonly result: Promise<CallResult>;
  readonly #host: CallHost;
  readonly #options: CallOptions;
  /** Stops waiting, by worker asked. */
  readonly #asked = new Map<string, () => void>();
  readonly #backoff = new Backoff(20, 500);
  readonly #startedMs = performance.now();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #aborted: () => void;
  #standIn: string | undefined;
  #seekingStandIn = false;
  #settled = false;
  #lastError: MyelinError | undefined;
  #resolve: (result: CallResult) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;

  constructor(host: CallHost, options: CallOptions) {
    this.#host = host;
    this.#options = options;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { deadlineMs, hedgeMs, signal } = options;
    this.#aborted = () => this.#fail(signal?.reason);
    this.#timers.push(setTimeout(() => this.#expire(), deadlineMs));
    if (hedgeMs !== undefined && hedgeMs < deadlineMs)
      this.#timers.push(setTimeout(() => void this.#askStandIn(this.#asked.keys().next().value), hedgeMs));
    signal?.addEventListener('abort', this.#aborted, { once: true });
    if (signal?.aborted) this.#aborted();
    else void this.#seek();
  }

  /** A worker that was asked is gone: its answer will not come. */
  lost(worker: string): void {
    const stop = this.#asked.get(worker);
    if (stop === undefined || this.#settled) return;
    stop();
    this.#asked.delete(worker);
    if (this.#asked.size === 0) void this.#seek();
  }

  /** Answers may have been lost with the connection: asks again; a worker that has answered says the same again. */
  askAgain(): void {
    for (const worker of [...this.#asked.keys()]) this.#ask(worker);
  }

  async #seek(): Promise<void> {
    while (!this.#settled) {
      try {
        const worker = await this.#host.pin();
        if (!this.#settled) this.#ask(worker);
        return;
      } catch (thrown) {
        this.#lastError = toMyelinError(thrown);
        if (!this.#lastError.retryable) {
          this.#fail(this.#lastError);
          return;
        }
      }
      await new Promise((resolve) => this.#timers.push(setTimeout(resolve, this.#backoff.nextMs())));
    }
  }

  #ask(worker: string): void {
    this.#asked.get(worker)?.();
    const remainingMs = Math.max(1, this.#options.deadlineMs - (performance.now() - this.#startedMs));
    this.#asked.set(
      worker,
      this.#host.send(worker, this.id, remainingMs, (outcome) => this.#hear(worker, outcome)),
    );
  }

  /** Asks a second worker, once. */
  async #askStandIn(instead: string | undefined): Promise<void> {
    if (this.#settled || instead === undefined || this.#standIn !== undefined || this.#seekingStandIn) return;
    this.#seekingStandIn = true;
    const worker = await this.#host.standIn(instead).catch(() => undefined);
    this.#seekingStandIn = false;
    if (this.#settled) return;
    if (worker !== undefined && !this.#asked.has(worker)) {
      this.#standIn = worker;
      this.#ask(worker);
    } else if (this.#asked.size === 0 && this.#lastError !== undefined) this.#fail(this.#lastError);
  }

  #hear(worker: string, outcome: Outcome): void {
    if (this.#settled || !this.#asked.has(worker)) return;
    if (outcome === 'nobody') this.#goElsewhere(worker, 'it is gone');
    else if (outcome instanceof MyelinError) this.#hearFailure(worker, outcome);
    else this.#succeed(worker, outcome);
  }

  #succeed(worker: string, answer: PoolAnswer): void {
    if (!this.#settle()) return;
    const totalMs = performance.now() - this.#startedMs;
    this.#resolve({ answer, byStandIn: worker === this.#standIn, totalMs });
    this.#cancelAll(worker);
  }

  #hearFailure(worker: string, error: MyelinError): void {
    if (ELSEWHERE.has(error.code)) {
      this.#goElsewhere(worker, error.message);
      return;
    }
    this.#asked.get(worker)?.();
    this.#asked.delete(worker);
    this.#lastError = error;
    // A model that failed here may work on another machine; a bad request is bad everywhere.
    if (error.code === 'MODEL_FAILED' && this.#standIn === undefined) void this.#askStandIn(worker);
    else if (this.#asked.size === 0 && !this.#seekingStandIn) this.#fail(error);
  }

  #goElsewhere(worker: string, reason: string): void {
    this.#host.release(worker, reason);
    this.lost(worker);
  }

  #expire(): void {
    const { deadlineMs } = this.#options;
    const worker = [...this.#asked.keys()].join(' and ');
    const stage = worker === '' ? 'no worker was found' : `waiting for worker ${worker}`;
    const late = new MyelinError('DEADLINE_EXCEEDED', { deadlineMs, stage });
    this.#fail(this.#host.unreachable() ?? (this.#asked.size === 0 ? this.#lastError : undefined) ?? late);
  }

  #fail(reason: unknown): void {
    if (!this.#settle()) return;
    this.#cancelAll();
    this.#reject(reason instanceof MyelinError ? reason : cancelled(reason));
  }

  #cancelAll(except?: string): void {
    for (const [worker, stop] of this.#asked) {
      stop();
      if (worker !== except) this.#host.cancel(worker, this.id);
    }
    this.#asked.clear();
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#options.signal?.removeEventListener('abort', this.#aborted);
    return true;
  }
}

const cancelled = (reason: unknown): MyelinError =>
  new MyelinError(
    'REQUEST_CANCELLED',
    { reason: reason instanceof Error ? reason.message : String(reason ?? 'by the caller') },
    { cause: reason },
  );
