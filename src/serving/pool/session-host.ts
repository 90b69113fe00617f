import { MyelinError, toMyelinError } from '../../core/errors.ts';
import type { Engine } from '../engine/engine.ts';
import type { LoadedPolicy } from '../engine/loaded-policy.ts';
import type { EngineInferOptions } from '../engine/session.ts';
import { readExtension } from '../openpi/extension.ts';
import { writeMessage } from '../openpi/msgpack-writer.ts';
import { type WireMap, wireMap } from '../openpi/wire-value.ts';
import { LatencyWindow } from './load-report.ts';
import {
  type InferRequest,
  type PoolRequest,
  type SubtaskRequest,
  writeChunk,
  writeSpec,
  writeSubtask,
} from './messages.ts';
import { writeError } from './wire-error.ts';
import { readObservation } from './wire-observation.ts';
import { WorkerSession } from './worker-session.ts';

export interface SessionHostSettings {
  readonly engine: Engine;
  /** The worker's id in the pool, and its name for people. */
  readonly worker: string;
  readonly name: string;
  /** Models by their names in the pool, to the engine's. */
  readonly models: ReadonlyMap<string, string>;
  readonly leaseMs: number;
  readonly reportMs: number;
  readonly maxSessions: number;
  /** Sends an answer; without a place to send it to, it is dropped. */
  readonly send: (reply: string | undefined, answer: Uint8Array) => void;
  /** Told of every new session, before its robot is. */
  readonly onOpen: () => void;
  /** Something people should know. */
  readonly onEvent: (text: string) => void;
}

/** Serves the requests of the robots that are pinned to one worker, each in a session of its own with a lease. */
export class SessionHost {
  readonly latencies = new LatencyWindow();
  readonly #settings: SessionHostSettings;
  readonly #sessions = new Map<string, WorkerSession>();
  readonly #loaded = new Map<string, LoadedPolicy>();
  #leaving = false;
  #working = 0;
  #malformed = 0;

  constructor(settings: SessionHostSettings) {
    this.#settings = settings;
  }

  /** Robots that have a session. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Requests that came and have no answer yet, and those of them that wait for a model. */
  get load(): { readonly inFlight: number; readonly queued: number } {
    const queued = [...this.#loaded.values()].reduce((sum, { turns }) => sum + turns.waiting, 0);
    return { inFlight: Math.max(0, this.#working - queued), queued };
  }

  /** Messages that could not be read. */
  get malformed(): number {
    return this.#malformed;
  }

  /** Loads every model. @throws what opening one throws */
  async warmUp(): Promise<void> {
    for (const [name, engineName] of this.#settings.models)
      this.#loaded.set(name, await this.#settings.engine.open(engineName));
  }

  /** No robot gets a new session from now on. */
  refuseNew(): void {
    this.#leaving = true;
  }

  /** Does what a request asks and sends the answer. @throws MyelinError when it cannot even begin */
  async serve(request: PoolRequest, reply: string | undefined): Promise<void> {
    switch (request.kind) {
      case 'cancel':
        return this.#sessions.get(request.session)?.cancel(request.id);
      case 'close':
        return this.#sessions.get(request.session)?.giveUp();
      case 'open': {
        const session = await this.#session(request);
        this.#settings.send(reply, writeMessage(this.#opened(session)));
        return;
      }
      case 'observe': {
        const { engine } = await this.#session(request);
        // Where it does not fit, so does the next one that actions are asked for: there it is told.
        if (engine.looksBack) engine.observe(await readObservation(request.observation, nowNs()));
        return;
      }
      case 'infer':
      case 'subtask': {
        const session = await this.#session(request);
        return session.exchange(
          request.id,
          reply,
          (signal) => this.#work(session, request, signal),
          this.#settings.send,
        );
      }
    }
  }

  /** The robot's session, opened when it has none; its lease is renewed. */
  async #session({ session: id, model, client }: { session: string; model: string; client: string }) {
    const { leaseMs, maxSessions, models, engine, name, onOpen } = this.#settings;
    const known = this.#sessions.get(id);
    const expiresMs = performance.now() + leaseMs;
    if (known !== undefined && known.model === model && !known.engine.closed) {
      known.renew(expiresMs);
      return known;
    }
    const busy = this.#leaving
      ? 'it is leaving'
      : this.#sessions.size >= maxSessions && `it has ${maxSessions} robots`;
    if (busy) throw new MyelinError('POOL_WORKER_BUSY', { worker: name, reason: busy });
    const engineName = models.get(model);
    if (engineName === undefined)
      throw new MyelinError('POLICY_NOT_ALLOWED', {
        policy: model,
        served: [...models.keys()].join(', '),
      });
    const loaded = await engine.open(engineName);
    this.#loaded.set(model, loaded);
    // Another request of the same robot may have opened it meanwhile.
    const meanwhile = this.#sessions.get(id);
    if (meanwhile !== undefined && meanwhile !== known) return meanwhile;
    known?.close();
    const session = new WorkerSession(model, engine.session(loaded, client), expiresMs);
    this.#sessions.set(id, session);
    onOpen();
    return session;
  }

  #opened({ engine, model }: WorkerSession): WireMap {
    const { leaseMs, reportMs, worker } = this.#settings;
    return wireMap({
      kind: 'opened',
      worker,
      lease_ms: leaseMs,
      report_ms: reportMs,
      spec: writeSpec(engine.spec),
      looks_back: this.#loaded.get(model)?.policy.observe !== undefined,
    });
  }

  async #work(
    session: WorkerSession,
    request: InferRequest | SubtaskRequest,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    this.#working += 1;
    const startedMs = performance.now();
    try {
      const answer = await (request.kind === 'infer'
        ? this.#infer(session, request, signal)
        : this.#subtask(session, request, signal));
      this.latencies.add(performance.now() - startedMs);
      return writeMessage(answer);
    } catch (thrown) {
      return writeMessage(this.failure(thrown));
    } finally {
      this.#working -= 1;
    }
  }

  async #infer(session: WorkerSession, request: InferRequest, signal: AbortSignal): Promise<WireMap> {
    const asked = readExtension(request.options) ?? {};
    const observation = await readObservation(request.observation, nowNs());
    if (asked.reset) session.engine.reset();
    const { deadlineMs, noise, seed, flowSteps, realTimeChunk } = asked;
    const { subtask } = request;
    const options: EngineInferOptions = {
      signal,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(noise === undefined ? {} : { noise }),
      ...(seed === undefined ? {} : { seed }),
      ...(flowSteps === undefined ? {} : { flowSteps }),
      ...(realTimeChunk === undefined ? {} : { realTimeChunk }),
      ...(subtask === undefined
        ? {}
        : {
            subtask: {
              text: subtask.text,
              ...(subtask.tokens === undefined ? {} : { tokens: subtask.tokens }),
            },
          }),
    };
    const { chunk, timing } = await session.engine.infer(observation, options);
    return writeChunk(request.id, this.#settings.worker, chunk, timing);
  }

  async #subtask(session: WorkerSession, request: SubtaskRequest, signal: AbortSignal): Promise<WireMap> {
    const observation = await readObservation(request.observation, nowNs());
    const { subtask, timing } = await session.engine.generateSubtask(observation, {
      signal,
      deadlineMs: request.deadline_ms,
      maxDecodingSteps: request.max_decoding_steps,
      temperature: request.temperature,
      ...(request.seed === undefined ? {} : { seed: request.seed }),
      ...(request.stop_token === undefined ? {} : { stopToken: request.stop_token }),
    });
    return writeSubtask(request.id, this.#settings.worker, subtask, timing);
  }

  /** Ends the sessions that nothing keeps. */
  endSessions(): void {
    const nowMs = performance.now();
    for (const [id, session] of this.#sessions) {
      if (!session.over(nowMs)) continue;
      session.close();
      this.#sessions.delete(id);
    }
  }

  /** What is under way is answered with SESSION_CLOSED. */
  close(): void {
    this.#leaving = true;
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
  }

  /** A failure as an answer; malformed messages are counted. */
  failure(thrown: unknown): WireMap {
    const { worker, name, onEvent } = this.#settings;
    const error = toMyelinError(thrown);
    if (error.code === 'MESSAGE_INVALID') this.#malformed += 1;
    if (error.code === 'INTERNAL') onEvent(`a request failed: ${error.message}`);
    return wireMap({ kind: 'error', worker, error: writeError(error, name) });
  }
}

const nowNs = (): number => performance.now() * 1e6;
