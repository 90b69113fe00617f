import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import type { Engine } from '../engine/engine.ts';
import { writeMessage } from '../openpi/msgpack-writer.ts';
import { type WireMap, wireMap } from '../openpi/wire-value.ts';
import { FrameJoiner } from './frame.ts';
import { type LoadReport, writeLoadReport } from './load-report.ts';
import {
  type Admission,
  admissionSchema,
  type PoolRequest,
  readLoadReport,
  readPoolMessage,
  requestSchema,
} from './messages.ts';
import { connectNats, type Heard, type NatsLink, type NatsOptions } from './nats-link.ts';
import { Roster } from './roster.ts';
import { SessionHost } from './session-host.ts';
import { ADMISSION_QUEUE, type PoolSubjects, poolSubjects } from './subjects.ts';

export interface PoolWorkerOptions extends NatsOptions {
  /** Name that keeps pools on one NATS server apart. Default `default`. */
  readonly pool?: string | undefined;
  /**
   * Models to serve: the name in the pool, and the engine's. Default: the engine's own checkpoint under the last part
   * of its path, so that boxes that keep it in different folders serve the same model.
   */
  readonly models?: ReadonlyMap<string, string> | undefined;
  /** For people. Default: the name of this machine. */
  readonly name?: string | undefined;
  /** What the models run on, for people. Default `auto`. */
  readonly device?: string | undefined;
  /** Milliseconds between load reports, which are heartbeats too. Default 500. */
  readonly reportMs?: number | undefined;
  /** A robot that is silent for so long loses its session, ms. Default 10 000. */
  readonly leaseMs?: number | undefined;
  /** Robots at once. Default 256. */
  readonly maxSessions?: number | undefined;
  /** Bytes a message may have. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Time that robots have to go elsewhere when this worker leaves, ms. Default 5000. */
  readonly drainMs?: number | undefined;
  /** Something people should know. Default: nobody is told. */
  readonly onEvent?: (text: string) => void;
}

/** Time in which the others' load reports are gathered before the first admission, ms. */
const LISTEN_FIRST_MS = 100;
const MOST_CANDIDATES = 3;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A member of the pool: answers the requests of the robots pinned to it from its engine, tells its load, and sends
 * robots that ask to be admitted to the least loaded of all workers.
 */
export class PoolWorker implements AsyncDisposable {
  /** Its name in the pool, another one at every start. */
  readonly id: string = randomUUID();
  /** Names of the models it serves. */
  readonly models: readonly string[];
  readonly #options: PoolWorkerOptions;
  readonly #engine: Engine;
  readonly #host: SessionHost;
  readonly #subjects: PoolSubjects;
  readonly #joiner: FrameJoiner;
  readonly #roster = new Roster(() => performance.now());
  readonly #name: string;
  readonly #pool: string;
  readonly #reportMs: number;
  readonly #leaseMs: number;
  readonly #timers: NodeJS.Timeout[] = [];
  #link: NatsLink | undefined;
  #stopAdmitting: () => void = () => undefined;
  #leaving = false;
  #closing: Promise<void> | undefined;
  #badReports = 0;

  constructor(engine: Engine, options: PoolWorkerOptions) {
    this.#engine = engine;
    this.#options = options;
    const {
      pool = 'default',
      name = hostname(),
      reportMs = 500,
      leaseMs = 10_000,
      maxMessageBytes,
    } = options;
    const standard = engine.standard ?? '';
    const models = options.models ?? new Map([[basename(standard), standard]]);
    this.#pool = pool;
    this.#name = name.slice(0, 200);
    this.#reportMs = reportMs;
    this.#leaseMs = leaseMs;
    this.#subjects = poolSubjects(pool);
    this.#joiner = new FrameJoiner(maxMessageBytes === undefined ? {} : { maxMessageBytes });
    this.models = [...models.keys()];
    this.#host = new SessionHost({
      engine,
      worker: this.id,
      name: this.#name,
      models,
      leaseMs,
      reportMs,
      maxSessions: options.maxSessions ?? 256,
      send: (reply, answer) => this.#send(reply, answer),
      // Whoever admits the next robot knows of this one.
      onOpen: () => this.#report(),
      onEvent: (text) => this.#say(text),
    });
  }

  /** Robots that have a session here. */
  get sessions(): number {
    return this.#host.sessions;
  }

  /** Messages that could not be read since the start. */
  get malformed(): number {
    return this.#host.malformed + this.#badReports;
  }

  /** Loads the models, connects, and begins to serve. @throws as `startPoolWorker` */
  async start(): Promise<void> {
    await this.#host.warmUp();
    const link = await connectNats(this.#options, `myelin worker ${this.#name}`, {
      onLost: () => this.#say(`the pool at ${link.shown} is lost; robots hold until it is back`),
      onBack: () => {
        this.#say(`the pool at ${link.shown} is back`);
        this.#report();
      },
      onClosed: (reason) => this.#closing === undefined && this.#say(`the pool is closed: ${reason}`),
    });
    this.#link = link;
    link.listen(this.#subjects.loads, (message) => this.#hearLoad(message));
    link.listen(this.#subjects.rollCall, () => this.#report());
    link.listen(this.#subjects.worker(this.id), (message) => void this.#take(message));
    link.send(this.#subjects.rollCall, writeMessage(wireMap({})));
    await pause(LISTEN_FIRST_MS);
    this.#report();
    const admissions = link.listen(
      this.#subjects.admit,
      (message) => void this.#admit(message),
      ADMISSION_QUEUE,
    );
    this.#stopAdmitting = () => admissions.unsubscribe();
    this.#timers.push(setInterval(() => this.#report(), this.#reportMs));
    this.#timers.push(setInterval(() => this.#host.endSessions(), this.#leaseMs / 4));
    await link.flush();
  }

  /**
   * Leaves in order: takes no new robots, tells those it has to go elsewhere, answers what is under way, then closes.
   * The engine stays open. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #leave(): Promise<void> {
    const { drainMs = 5000 } = this.#options;
    this.#leaving = true;
    this.#host.refuseNew();
    this.#stopAdmitting();
    this.#report();
    if (this.sessions > 0) this.#say(`leaving the pool: ${this.sessions} robots go elsewhere`);
    const deadlineMs = performance.now() + drainMs;
    while (this.#link?.connected && performance.now() < deadlineMs) {
      this.#host.endSessions();
      if (this.sessions === 0) break;
      await pause(20);
    }
    for (const timer of this.#timers) clearInterval(timer);
    this.#host.close();
    // Failures of what was still under way go out before the connection ends.
    await pause(0);
    await this.#link?.close();
  }

  #hearLoad({ data, subject }: Heard): void {
    try {
      const message = data && this.#joiner.take(subject, data);
      if (message !== undefined) this.#roster.hear(readLoadReport(message));
    } catch {
      this.#badReports += 1;
    }
  }

  #report(): void {
    const report = this.#load();
    this.#roster.hear(report);
    this.#link?.send(this.#subjects.load(this.id), writeMessage(writeLoadReport(report)));
  }

  #load(): LoadReport {
    const { latencies, load } = this.#host;
    const [p50_ms, p90_ms, p99_ms] = [0.5, 0.9, 0.99].map((share) => latencies.percentile(share));
    return {
      kind: 'load',
      worker: this.id,
      name: this.#name,
      device: (this.#options.device ?? 'auto').slice(0, 100),
      models: [...this.models],
      // Clients of the engine's other protocols keep it busy too.
      sessions: this.#engine.stats().sessions,
      in_flight: load.inFlight,
      queued: load.queued,
      ...(p50_ms === undefined ? {} : { p50_ms, p90_ms, p99_ms }),
      answered: latencies.count,
      leaving: this.#leaving,
      report_ms: this.#reportMs,
    };
  }

  #admit(heard: Heard): Promise<void> {
    return this.#answer(heard, (message) => {
      const admitted = this.#admitted(readPoolMessage(admissionSchema, message));
      this.#send(heard.reply, writeMessage(admitted));
    });
  }

  #take(heard: Heard): Promise<void> {
    return this.#answer(heard, (message) => {
      const request: PoolRequest = readPoolMessage(requestSchema, message);
      return this.#host.serve(request, heard.reply);
    });
  }

  /** Puts the message together and has it served; what goes wrong is answered too. Never rejects. */
  async #answer(
    { data, reply = '', subject }: Heard,
    serve: (message: Uint8Array) => Promise<void> | void,
  ): Promise<void> {
    try {
      const message = data && this.#joiner.take(`${subject} ${reply}`, data);
      if (message !== undefined) await serve(message);
    } catch (thrown) {
      this.#send(reply === '' ? undefined : reply, writeMessage(this.#host.failure(thrown)));
    }
  }

  #admitted({ model, exclude }: Admission): WireMap {
    const { models, present } = this.#roster;
    if (model === undefined && models.length > 1)
      throw new MyelinError('INVALID_ARGUMENT', {
        name: 'the model',
        value: 'not named',
        allowed: `one of: ${models.join(', ')}`,
      });
    const wanted = model ?? models[0] ?? '';
    const candidates = this.#roster.choose(wanted, exclude).slice(0, MOST_CANDIDATES);
    if (candidates.length === 0)
      throw new MyelinError('POOL_NO_WORKER', {
        pool: this.#pool,
        model: JSON.stringify(wanted),
        workers: present.length,
        served: models.join(', ') || 'nothing',
      });
    return wireMap({ kind: 'admitted', model: wanted, candidates });
  }

  #send(reply: string | undefined, answer: Uint8Array): void {
    if (reply !== undefined) this.#link?.send(reply, answer);
  }

  #say(text: string): void {
    this.#options.onEvent?.(text);
  }
}

/**
 * Makes an engine a member of the pool.
 * @throws MyelinError POOL_UNREACHABLE, POOL_REFUSED, INVALID_ARGUMENT, and what opening the models throws
 * @example
 * await using worker = await startPoolWorker(engine, { url: 'nats://127.0.0.1' });
 */
export async function startPoolWorker(engine: Engine, options: PoolWorkerOptions): Promise<PoolWorker> {
  const worker = new PoolWorker(engine, options);
  try {
    await worker.start();
    return worker;
  } catch (thrown) {
    await worker.close();
    throw thrown;
  }
}
