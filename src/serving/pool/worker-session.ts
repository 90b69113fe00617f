import { MyelinError } from '../../core/errors.ts';
import type { EngineSession } from '../engine/session.ts';

/** Answers kept for requests that come again. */
const KEPT_ANSWERS = 4;
/** Requests of one robot under way at once; one that sends more is not listening. */
const MOST_OPEN = 16;

interface Exchange {
  /** Where the answer goes; a request that comes again may name another place. */
  reply: string | undefined;
  readonly abort: AbortController;
  answer?: Uint8Array;
}

/** One robot's session at this worker: its lease, and every request answered once however often it comes. */
export class WorkerSession {
  readonly model: string;
  readonly #engine: EngineSession;
  readonly #exchanges = new Map<string, Exchange>();
  #expiresMs: number;
  #leaving = false;

  constructor(model: string, engine: EngineSession, expiresMs: number) {
    this.model = model;
    this.#engine = engine;
    this.#expiresMs = expiresMs;
  }

  get engine(): EngineSession {
    return this.#engine;
  }

  /** Requests without an answer yet. */
  get open(): number {
    return [...this.#exchanges.values()].filter(({ answer }) => answer === undefined).length;
  }

  renew(expiresMs: number): void {
    this.#expiresMs = expiresMs;
    this.#leaving = false;
  }

  /** Whether nothing keeps it: its lease ran out, or it was given up and everything is answered. */
  over(nowMs: number): boolean {
    return this.open === 0 && (this.#leaving || nowMs > this.#expiresMs);
  }

  /** The robot has gone elsewhere; what is under way is still answered. */
  giveUp(): void {
    this.#leaving = true;
  }

  /** Stops the work for a request: another worker answered it. */
  cancel(id: string): void {
    this.#exchanges
      .get(id)
      ?.abort.abort(new MyelinError('REQUEST_CANCELLED', { reason: 'another worker answered first' }));
  }

  /**
   * Does a request's work once. One that comes again gets the same answer, or waits for it.
   * @param work the answer, also for a failure: never rejects
   * @param send called with where the answer goes
   */
  async exchange(
    id: string,
    reply: string | undefined,
    work: (signal: AbortSignal) => Promise<Uint8Array>,
    send: (reply: string | undefined, answer: Uint8Array) => void,
  ): Promise<void> {
    const known = this.#exchanges.get(id);
    if (known !== undefined) {
      known.reply = reply;
      if (known.answer !== undefined) send(reply, known.answer);
      return;
    }
    if (this.open >= MOST_OPEN)
      throw new MyelinError('POOL_WORKER_BUSY', {
        worker: 'asked',
        reason: `${MOST_OPEN} requests of this robot are under way`,
      });
    const exchange: Exchange = { reply, abort: new AbortController() };
    this.#exchanges.set(id, exchange);
    exchange.answer = await work(exchange.abort.signal);
    send(exchange.reply, exchange.answer);
    this.#forgetOld();
  }

  close(): void {
    this.#engine.close();
  }

  #forgetOld(): void {
    const answered = [...this.#exchanges].filter(([, { answer }]) => answer !== undefined);
    for (const [id] of answered.slice(0, -KEPT_ANSWERS)) this.#exchanges.delete(id);
  }
}
