import type { WebSocket } from 'ws';
import { type ErrorCode, MyelinError, toMyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { Subtask } from '../../policies/policy.ts';
import type { EngineInferOptions, EngineSession } from '../engine/session.ts';
import type { MessageMemory } from '../message-memory.ts';
import type { DialectRequest, ServerDialect } from './dialects/server-dialect.ts';
import { RESET_DONE } from './dialects/vllm-omni-server.ts';
import { EXTENSION, type ExtendedRequest, subtaskEntries } from './extension.ts';
import { readMessage } from './msgpack-reader.ts';
import { writeMessage } from './msgpack-writer.ts';
import type { RobotKeys } from './robot-keys.ts';
import { readObservation } from './wire-observation.ts';
import { isMap, type WireMap, wireMap } from './wire-value.ts';

export interface ConnectionSettings {
  readonly socket: WebSocket;
  /** Takes messages back that were answered. */
  readonly memory: MessageMemory;
  readonly dialect: ServerDialect;
  /** Opens the client's session; it may have to load the policy first. */
  readonly openSession: () => Promise<EngineSession>;
  readonly metadata: WireMap;
  /** Whether the client asked for our additions. */
  readonly extended: boolean;
  readonly robot?: RobotKeys | undefined;
  readonly cameras?: Readonly<Record<string, string>> | undefined;
  readonly defaultPrompt?: string | undefined;
  /** Monotonic time, ns. */
  readonly nowNs: () => number;
  /** Something people should know; a kind of failure once. */
  readonly onEvent: (text: string) => void;
}

type InferRequest = Extract<DialectRequest, { kind: 'infer' }>;

/** A client that sends ahead of its answers is read no further until they have gone out. */
const MOST_AHEAD = 2;

/** One openpi client: first the greeting, then an answer to each request, in order. */
export class OpenpiConnection {
  readonly #settings: ConnectionSettings;
  readonly #gone = new AbortController();
  #session: EngineSession | undefined;
  #turn: Promise<void>;
  #ahead = 0;
  #timestep = 0;
  #sessionId: string | undefined;
  #previousTotalMs: number | undefined;
  /** Kinds of failures that were told: where they leave the connection open they repeat with every request. */
  readonly #told = new Set<ErrorCode>();

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
    const { socket } = settings;
    socket.on('message', (data: Buffer, isBinary) => this.#take(data, isBinary));
    socket.on('close', () => this.#close());
    this.#turn = this.#greet();
  }

  async #greet(): Promise<void> {
    const { dialect, openSession, metadata, extended } = this.#settings;
    try {
      const session = await openSession();
      this.#session = session;
      if (this.#gone.signal.aborted) return session.close();
      await this.#send(
        writeMessage(
          dialect.greeting({ spec: session.spec, looksBack: session.looksBack, metadata, extended }),
        ),
      );
    } catch (thrown) {
      await this.#fail(thrown);
    }
  }

  #take(data: Buffer, isBinary: boolean): void {
    const { socket } = this.#settings;
    this.#ahead += 1;
    if (this.#ahead >= MOST_AHEAD) socket.pause();
    this.#turn = this.#turn.then(async () => {
      await this.#answer(data, isBinary);
      this.#ahead -= 1;
      if (socket.isPaused) socket.resume();
    });
  }

  async #answer(data: Buffer, isBinary: boolean): Promise<void> {
    const session = this.#session;
    if (session === undefined || this.#gone.signal.aborted) return;
    const startedNs = this.#settings.nowNs();
    try {
      if (!isBinary)
        throw new MyelinError('MESSAGE_INVALID', { detail: 'it is text, not binary MessagePack' });
      const message = readMessage(data);
      if (!isMap(message)) throw new MyelinError('MESSAGE_INVALID', { detail: 'it is not a map' });
      const request = this.#settings.dialect.request(message);
      if (request.kind === 'reset') session.reset();
      const answer =
        request.kind === 'reset' ? writeMessage(RESET_DONE) : await this.#infer(session, request);
      // A policy looks at pictures until it has answered: one whose request failed may still be looking, and one
      // that looks back will.
      const shown = request.kind === 'infer' && request.options.observe;
      if (!shown) this.#settings.memory.give(data);
      await this.#send(answer);
      this.#previousTotalMs = (this.#settings.nowNs() - startedNs) / 1e6;
    } catch (thrown) {
      await this.#fail(thrown);
    }
  }

  async #infer(session: EngineSession, request: InferRequest): Promise<Uint8Array> {
    const { dialect, robot, cameras, defaultPrompt, nowNs } = this.#settings;
    const { options, observation: message } = request;
    const anotherSession = request.sessionId !== this.#sessionId && this.#sessionId !== undefined;
    this.#sessionId = request.sessionId;
    if (options.reset || anotherSession) session.reset();
    this.#timestep = options.timestep ?? this.#timestep + 1;
    const observation = readObservation(message, session.spec, {
      robot,
      cameras,
      defaultPrompt,
      timestep: this.#timestep,
      nowNs: nowNs(),
    });
    if (options.observe) {
      session.observe(observation);
      return writeMessage(wireMap({ [EXTENSION]: subtaskEntries(options, undefined) }));
    }
    const common: EngineInferOptions = {
      signal: this.#gone.signal,
      ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
    };
    const subtask = await this.#subtask(session, observation, options, common);
    if (options.subtask?.only)
      return writeMessage(wireMap({ [EXTENSION]: subtaskEntries(options, subtask) }));
    const { chunk, timing } = await session.infer(observation, {
      ...common,
      ...(options.noise === undefined ? {} : { noise: options.noise }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.flowSteps === undefined ? {} : { flowSteps: options.flowSteps }),
      ...(options.realTimeChunk === undefined ? {} : { realTimeChunk: options.realTimeChunk }),
      ...(subtask === undefined ? {} : { subtask }),
    });
    const previousTotalMs = this.#previousTotalMs;
    return writeMessage(dialect.answer({ request, chunk, timing, previousTotalMs, subtask }));
  }

  /** The client's own words for what to do now, or the policy's. */
  async #subtask(
    session: EngineSession,
    observation: Observation,
    { subtask: wanted }: ExtendedRequest,
    common: EngineInferOptions,
  ): Promise<(Pick<Subtask, 'text'> & Partial<Subtask>) | undefined> {
    if (wanted === undefined) return undefined;
    if (wanted.text !== undefined) return { text: wanted.text };
    const { maxDecodingSteps, temperature } = wanted;
    const { subtask } = await session.generateSubtask(observation, {
      ...common,
      maxDecodingSteps,
      temperature,
    });
    return subtask;
  }

  async #fail(thrown: unknown): Promise<void> {
    if (this.#gone.signal.aborted) return;
    const { dialect, socket, onEvent } = this.#settings;
    const error = toMyelinError(thrown);
    if (!this.#told.has(error.code)) onEvent(error.message);
    this.#told.add(error.code);
    const { frame, ends } = dialect.fault(error);
    await this.#send(typeof frame === 'string' ? frame : writeMessage(frame));
    // The reason has at most 123 bytes; the frame before says it all.
    if (ends) socket.close(1011, `${error.code}, explained in the previous frame`);
    if (ends) this.#close();
  }

  #send(frame: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#settings.socket.send(frame, () => resolve()));
  }

  #close(): void {
    this.#gone.abort(new MyelinError('REQUEST_CANCELLED', { reason: 'the client left' }));
    this.#session?.close();
  }
}
