import { randomUUID } from 'node:crypto';
import { MyelinError, toMyelinError } from '../../core/errors.ts';
import { writeMessage } from '../openpi/msgpack-writer.ts';
import type { WireMap } from '../openpi/wire-value.ts';
import { FrameJoiner } from './frame.ts';
import type { LoadReport } from './load-report.ts';
import { answerSchema, type PoolAnswer, readLoadReport, readPoolMessage } from './messages.ts';
import { connectNats, type Heard, type LinkEvents, type NatsLink, type NatsOptions } from './nats-link.ts';
import { MISSED_REPORTS } from './roster.ts';
import { type PoolSubjects, poolSubjects } from './subjects.ts';
import { readError } from './wire-error.ts';

/** What came of a message: an answer, or why there is none. */
export type Outcome = PoolAnswer | 'nobody' | MyelinError;

export interface WatchListener {
  onReport(report: LoadReport): void;
  /** Its reports have stopped, while the pool itself is there. */
  onSilent(): void;
}

interface Watched {
  readonly listeners: Set<WatchListener>;
  readonly stop: () => void;
  heardMs: number;
}

/** One connection of robots to the pool: questions with their answers, and the heartbeats of workers. */
export class PoolLink {
  readonly subjects: PoolSubjects;
  readonly #joiner: FrameJoiner;
  readonly #inbox = `_INBOX.${randomUUID()}`;
  readonly #asked = new Map<string, (outcome: Outcome) => void>();
  readonly #watched = new Map<string, Watched>();
  readonly #backAgain = new Set<() => void>();
  #nats: NatsLink | undefined;
  #dropped = 0;

  constructor(pool: string, maxMessageBytes?: number) {
    this.subjects = poolSubjects(pool);
    this.#joiner = new FrameJoiner(maxMessageBytes === undefined ? {} : { maxMessageBytes });
  }

  /** @throws MyelinError POOL_UNREACHABLE, POOL_REFUSED */
  async connect(options: NatsOptions, name: string, events: LinkEvents): Promise<void> {
    this.#nats = await connectNats(options, name, {
      ...events,
      onBack: () => {
        // Nothing could be heard meanwhile, so nobody is to blame.
        for (const watched of this.#watched.values()) watched.heardMs = performance.now();
        events.onBack?.();
        for (const tell of this.#backAgain) tell();
      },
    });
    this.#nats.listen(`${this.#inbox}.*`, (message) => this.#hear(message));
  }

  get connected(): boolean {
    return this.#nats?.connected ?? false;
  }

  /** Why nothing can be sent just now. */
  get unreachable(): MyelinError {
    return this.#nats?.unreachable ?? new MyelinError('SESSION_CLOSED', { client: 'the pool' });
  }

  /** Answers that nobody waited for any more: late ones, and those of a second worker. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Sends without waiting for an answer. */
  tell(worker: string, message: WireMap): void {
    this.#nats?.send(this.subjects.worker(worker), writeMessage(message));
  }

  /**
   * Sends, and calls back with each outcome until told to stop.
   * @returns stops waiting; an answer that still comes is dropped
   */
  ask(subject: string, message: Uint8Array, hear: (outcome: Outcome) => void): () => void {
    const ticket = randomUUID();
    this.#asked.set(ticket, hear);
    this.#nats?.send(subject, message, `${this.#inbox}.${ticket}`);
    return () => this.#asked.delete(ticket);
  }

  /** Sends and resolves with the answer; undefined when nobody listens or answers in time. @throws its failure */
  request(subject: string, message: WireMap, timeoutMs: number): Promise<PoolAnswer | undefined> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        clearTimeout(timer);
        stop();
        done();
      };
      const timer = setTimeout(() => settle(() => resolve(undefined)), timeoutMs);
      const stop = this.ask(subject, writeMessage(message), (outcome) =>
        settle(() => {
          if (outcome instanceof MyelinError) reject(outcome);
          else resolve(outcome === 'nobody' ? undefined : outcome);
        }),
      );
    });
  }

  /** Listens to a worker's heartbeats. @returns stops listening */
  watch(worker: string, reportMs: number, listener: WatchListener): () => void {
    const watched = this.#watched.get(worker) ?? this.#beginWatch(worker, reportMs);
    watched.listeners.add(listener);
    return () => {
      watched.listeners.delete(listener);
      if (watched.listeners.size > 0 || this.#watched.get(worker) !== watched) return;
      watched.stop();
      this.#watched.delete(worker);
    };
  }

  /** Calls back whenever the connection was lost and is there again. @returns stops that */
  whenBack(tell: () => void): () => void {
    this.#backAgain.add(tell);
    return () => this.#backAgain.delete(tell);
  }

  async close(): Promise<void> {
    for (const { stop } of this.#watched.values()) stop();
    this.#watched.clear();
    this.#asked.clear();
    await this.#nats?.close();
  }

  #beginWatch(worker: string, reportMs: number): Watched {
    const heartbeats = this.#nats?.listen(this.subjects.load(worker), (message) =>
      this.#hearReport(worker, message),
    );
    const timer = setInterval(() => {
      const silentMs = performance.now() - watched.heardMs;
      if (silentMs < MISSED_REPORTS * reportMs || !this.connected) return;
      for (const listener of [...watched.listeners]) listener.onSilent();
    }, reportMs / 2);
    const stop = () => {
      clearInterval(timer);
      heartbeats?.unsubscribe();
    };
    const watched: Watched = { listeners: new Set(), stop, heardMs: performance.now() };
    this.#watched.set(worker, watched);
    return watched;
  }

  #hearReport(worker: string, { data, subject }: Heard): void {
    try {
      const message = data && this.#joiner.take(subject, data);
      if (message === undefined) return;
      const report = readLoadReport(message);
      if (report.worker !== worker) return;
      this.#heardFrom(worker);
      for (const listener of [...(this.#watched.get(worker)?.listeners ?? [])]) listener.onReport(report);
    } catch {
      this.#dropped += 1; // Whoever sent that is not a worker; its silence will tell.
    }
  }

  #hear({ subject, data }: Heard): void {
    const ticket = subject.slice(this.#inbox.length + 1);
    const tell = this.#asked.get(ticket);
    if (tell === undefined) {
      this.#dropped += 1;
      return;
    }
    if (data === undefined) {
      tell('nobody');
      return;
    }
    try {
      const message = this.#joiner.take(ticket, data);
      if (message === undefined) return;
      const answer = readPoolMessage(answerSchema, message);
      if ('worker' in answer) this.#heardFrom(answer.worker);
      tell(answer.kind === 'error' ? readError(answer.error, answer.worker) : answer);
    } catch (thrown) {
      tell(toMyelinError(thrown));
    }
  }

  #heardFrom(worker: string): void {
    const watched = this.#watched.get(worker);
    if (watched !== undefined) watched.heardMs = performance.now();
  }
}
