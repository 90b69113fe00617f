import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError, toMyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { InferOptions, Policy, PolicySpec } from '../../policies/policy.ts';
import { type ClientRobot, chunkOf, configOf, specOf, timedOf, withObjects } from './client-robot.ts';
import { CODECS, codecOf } from './codec.ts';
import { type ConnectionOptions, isUnimplemented, LeRobotConnection } from './connection.ts';
import {
  type Description,
  readDescription,
  readTiming,
  type ServerTiming,
  writeExtras,
} from './extension.ts';
import type { LeRobotCodec, TimedActions, TimedObservation } from './messages.ts';
import { ASYNC_INFERENCE, MYELIN_INFERENCE } from './service.ts';
import { StockExchange } from './stock-exchange.ts';

export interface LeRobotPolicyOptions extends ClientRobot, ConnectionOptions {
  /** Time for an inference, ms. Default 30 000. */
  readonly answerMs?: number;
  /** Time for the server to load the policy, ms. Default 600 000. */
  readonly loadMs?: number;
  /** Time for a call that computes nothing, ms. Default 5000. */
  readonly callMs?: number;
  /** How often the connection is looked after, ms. Default 1000; 0 for never. */
  readonly heartbeatMs?: number;
  /** Form of the messages. Default pickle, the only one released versions read. */
  readonly codec?: LeRobotCodec['name'];
  /** Something people should know. Default: nobody is told. */
  readonly onEvent?: (text: string) => void;
}

/** What is known of the connection, for a display. */
export interface RemoteStatus {
  readonly connected: boolean;
  /** Whether it is a server of ours, which tells more and is asked with one call. */
  readonly extended: boolean;
  /** Handshakes so far; the first one counted. */
  readonly handshakes: number;
  /** The last inference: the whole round trip, ms, and the server's part where it tells. */
  readonly roundTripMs: number;
  readonly server: ServerTiming | undefined;
}

const ANSWER_MS = 30_000;
const LOAD_MS = 600_000;
const CALL_MS = 5_000;
const HEARTBEAT_MS = 1_000;

/**
 * A policy behind a LeRobot policy server, stock or ours. It shakes hands by itself, again whenever the connection
 * was lost or the server forgot; every call has a deadline; answers to older observations are dropped. While the
 * server is away `infer` fails and may simply be tried again.
 */
export class LeRobotPolicy implements Policy {
  /** There once a server of ours said that its policy looks back. */
  observe?: (observation: Observation) => void;
  readonly #options: LeRobotPolicyOptions;
  readonly #connection: LeRobotConnection;
  readonly #codec: LeRobotCodec;
  readonly #stock: StockExchange;
  readonly #callMs: number;
  readonly #heartbeat: NodeJS.Timeout | undefined;
  #spec: PolicySpec;
  #turn: Promise<unknown> = Promise.resolve();
  /** Losses of the connection at the last handshake; undefined before the first, or when it must be repeated. */
  #agreedAt: number | undefined;
  #description: Description | undefined;
  #newEpisode = false;
  #busy = false;
  #probing = false;
  #showing = false;
  #handshakes = 0;
  #roundTripMs = 0;
  #serverTiming: ServerTiming | undefined;
  #told = '';
  /** Whether there was no server to shake hands with: one may come. */
  #awaited = false;
  #closed = false;

  constructor(options: LeRobotPolicyOptions) {
    this.#options = options;
    this.#connection = new LeRobotConnection(options);
    const { codec = 'pickle', answerMs = ANSWER_MS, callMs = CALL_MS, heartbeatMs = HEARTBEAT_MS } = options;
    this.#callMs = callMs;
    this.#codec = CODECS[codec];
    this.#stock = new StockExchange({
      connection: this.#connection,
      codec: this.#codec,
      answerMs,
      callMs,
    });
    this.#spec = specOf(options, options.address);
    if (heartbeatMs > 0) this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs).unref();
  }

  get spec(): PolicySpec {
    return this.#spec;
  }

  get status(): RemoteStatus {
    return {
      connected: this.#agreed,
      extended: this.#description !== undefined,
      handshakes: this.#handshakes,
      roundTripMs: this.#roundTripMs,
      server: this.#serverTiming,
    };
  }

  /**
   * Shakes hands now. Not needed: `infer` does it too. It finds out early whether the server can serve this robot,
   * and has it load the policy. A server that is not there yet is tried again with each heartbeat.
   * @throws MyelinError SERVER_UNREACHABLE, SERVER_REFUSED
   */
  connect(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#agree(signal));
  }

  /**
   * One chunk, computed by the server.
   * @throws MyelinError SERVER_UNREACHABLE, SERVER_REFUSED, POLICY_OUTPUT_INVALID, DEADLINE_EXCEEDED
   */
  infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    return this.#inTurn(async () => {
      options.signal?.throwIfAborted();
      await this.#agree(options.signal);
      const startedMs = performance.now();
      const timed = timedOf(observation, this.#options);
      const actions = await (this.#description === undefined
        ? this.#stock.ask(timed, () => this.#agreeAgain(options.signal), options.signal)
        : this.#askOurs(timed, observation, options));
      this.#roundTripMs = performance.now() - startedMs;
      return chunkOf(actions, observation, this.#spec);
    });
  }

  reset(): void {
    this.#newEpisode = true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    this.#connection.close();
    await this.#turn;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #agreed(): boolean {
    return this.#agreedAt === this.#connection.losses;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(async () => {
      if (this.#closed) throw new MyelinError('SESSION_CLOSED', { client: this.#spec.name });
      this.#busy = true;
      try {
        return await work();
      } catch (thrown) {
        this.#failed(toMyelinError(thrown));
        throw thrown;
      } finally {
        this.#busy = false;
      }
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Makes sure that this very server process knows what to run. */
  async #agree(signal?: AbortSignal): Promise<void> {
    if (this.#agreed) {
      if (this.#newEpisode)
        await this.#connection.call(ASYNC_INFERENCE.ready, {}, { deadlineMs: this.#callMs, signal });
      this.#newEpisode = false;
      return;
    }
    this.#agreedAt = undefined;
    this.#stock.forget();
    const { loadMs = LOAD_MS } = this.#options;
    await this.#connection.call(ASYNC_INFERENCE.ready, {}, { deadlineMs: this.#callMs, signal });
    const { losses } = this.#connection;
    const instructions = this.#codec.writePolicyConfig(configOf(this.#options));
    const limits = { deadlineMs: loadMs, signal };
    await this.#connection.call(ASYNC_INFERENCE.sendPolicyInstructions, instructions, limits);
    this.#description = await this.#describe(signal);
    this.#adopt(this.#description);
    this.#newEpisode = false;
    this.#agreedAt = losses;
    this.#handshakes += 1;
    const kind = this.#description === undefined ? "LeRobot's server" : 'Myelin';
    this.#tell(`connected to ${kind} at ${this.#connection.address}`);
  }

  #agreeAgain(signal?: AbortSignal): Promise<void> {
    this.#agreedAt = undefined;
    return this.#agree(signal);
  }

  /** Undefined where the server is not one of ours. */
  async #describe(signal?: AbortSignal): Promise<Description | undefined> {
    try {
      const bytes = await this.#connection.call(
        MYELIN_INFERENCE.describe,
        {},
        { deadlineMs: this.#callMs, signal },
      );
      return readDescription(bytes);
    } catch (thrown) {
      if (isUnimplemented(thrown)) return undefined;
      throw thrown;
    }
  }

  /** The server's word on the chunk's length, and on what it can do, counts. */
  #adopt(description: Description | undefined): void {
    if (description?.looksBack) this.observe = (observation) => this.#show(observation);
    else delete this.observe;
    // Whoever answers at this address now, it may not be who did before.
    const { realTime: _, ...rest } = this.#spec;
    this.#spec = rest;
    const policy = description?.policy;
    if (policy === undefined) return;
    const chunkRows = Math.min(policy.chunkRows, this.#options.actionsPerChunk);
    const { realTime } = policy;
    this.#spec = {
      ...this.#spec,
      chunkRows,
      actionSteps: Math.min(policy.actionSteps, chunkRows),
      ...(realTime === undefined ? {} : { realTime }),
    };
  }

  async #askOurs(timed: TimedObservation, seen: Observation, options: InferOptions): Promise<TimedActions> {
    const { answerMs = ANSWER_MS } = this.#options;
    const { signal, flowSteps, noise, seed, realTimeChunk, subtask } = options;
    const extras = Object.fromEntries(
      Object.entries({ flowSteps, noise, seed, realTimeChunk, subtask, deadlineMs: answerMs }).filter(
        ([, value]) => value !== undefined,
      ),
    );
    const observation = this.#codec.writeObservation(withObjects(timed, seen));
    const request = { observation, ...writeExtras(extras) };
    const reply = await this.#connection.call(MYELIN_INFERENCE.infer, request, {
      deadlineMs: answerMs + this.#callMs,
      signal,
    });
    this.#serverTiming = readTiming(reply.timing);
    return codecOf(reply.actions).readActions(reply.actions);
  }

  /** One at a time: a connection that is slower than the robot's steps must not fall behind them. */
  #show(observation: Observation): void {
    if (this.#showing || this.#closed || !this.#agreed) return;
    const timed = timedOf(observation, this.#options);
    this.#showing = true;
    const shown = () => {
      this.#showing = false;
    };
    // What fails here fails again when actions are asked for: there it is told.
    this.#stock.send(withObjects({ ...timed, mustGo: false }, observation)).then(shown, shown);
  }

  /** Looks after the connection, and after one that was lost until it is back. */
  #beat(): void {
    if (this.#closed || (this.#handshakes === 0 && !this.#awaited)) return;
    if (this.#busy) {
      this.#probe();
    } else if (!this.#agreed) {
      this.connect().catch(() => undefined);
    } else if (this.#description !== undefined) {
      this.#inTurn(() => this.#describe()).catch(() => undefined);
    } else {
      this.#stock.idle((thrown) => this.#failed(toMyelinError(thrown)));
    }
  }

  /** A connection that went silent is found out beside a call that may take long: its failure ends that call too. */
  #probe(): void {
    if (this.#probing || !this.#agreed || this.#description === undefined) return;
    this.#probing = true;
    const over = () => {
      this.#probing = false;
    };
    this.#describe().then(over, over);
  }

  #failed(error: MyelinError): void {
    if (error.code !== 'SERVER_UNREACHABLE' && error.code !== 'SERVER_REFUSED') return;
    this.#agreedAt = undefined;
    // One that refuses is asked again only when actions are wanted: it may load a model every time.
    this.#awaited = error.code === 'SERVER_UNREACHABLE';
    if (!this.#closed) this.#tell(`${error.message} (${error.hint})`);
  }

  #tell(text: string): void {
    if (text === this.#told) return;
    this.#told = text;
    this.#options.onEvent?.(text);
  }
}
