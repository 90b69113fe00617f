import {
  logVerbosity,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerUnaryCall,
  type sendUnaryData,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { MyelinError } from '../../core/errors.ts';
import type { Engine } from '../engine/engine.ts';
import {
  bearerToken,
  checkListen,
  type ListenOptions,
  LOOPBACK,
  listenError,
  tokenFits,
} from '../engine/listen.ts';
import { DEFAULT_SIMILARITY } from './admission.ts';
import { Arrivals } from './arrivals.ts';
import { CODECS, codecOf } from './codec.ts';
import { readExtras, writeDescription, writeTiming } from './extension.ts';
import type { LeRobotCodec } from './messages.ts';
import type { InferReply, InferRequest, ObservationPiece } from './protobuf.ts';
import { Robots } from './robots.ts';
import { ASYNC_INFERENCE, MYELIN_INFERENCE } from './service.ts';
import { SetupMemory } from './setup-memory.ts';
import { toStatus } from './status.ts';
import { wideWindows } from './wide-windows.ts';

export interface LeRobotServerOptions extends ListenOptions {
  /** Default 8080; 0 takes any free port. */
  readonly port?: number;
  /** Actions a second, for the time stamps of actions. Default 30. */
  readonly fps?: number;
  /** Answers are not given earlier than this after they were asked for, s. Default 0: at once. */
  readonly inferenceLatencyS?: number;
  /** How long a request for actions waits for an observation before it is answered with nothing, s. Default 2. */
  readonly observationTimeoutS?: number;
  /** See `Admission`. Default 0.01; 0 switches the test off. */
  readonly similarity?: number;
  /** Where it is kept what clients asked for, for after a restart. Default: nowhere. */
  readonly memoryFile?: string;
  /** Clients at once. Default 64. */
  readonly maxClients?: number;
  /** Something people should know. Default: nobody is told. */
  readonly onEvent?: (text: string) => void;
}

export interface LeRobotServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Robots that are connected. */
  readonly clients: number;
  /** Stops listening, ends every call. Idempotent. */
  close(): Promise<void>;
}

export const LEROBOT_PORT = 8080;
const FPS = 30;
const OBSERVATION_TIMEOUT_S = 2;
const MAX_CLIENTS = 64;
/** Pieces are of 2 MiB; our own `Infer` takes an observation in one message. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
const STREAMS_PER_CLIENT = 32;

const NOTHING = new Uint8Array(0);

/**
 * Serves the engine's policies to LeRobot's `RobotClient` (0.4 and later, and 0.3) unchanged, each client with a
 * session of its own, and to clients of ours.
 * @throws MyelinError LISTEN_UNSAFE, PORT_IN_USE, ADDRESS_UNUSABLE
 * @example
 * await using server = await startLeRobotServer(engine, { port: 8080 });
 */
export async function startLeRobotServer(
  engine: Engine,
  options: LeRobotServerOptions = {},
): Promise<LeRobotServer> {
  checkListen(options);
  // Everything it would print is told in our own words.
  setLogVerbosity(logVerbosity.NONE);
  const { host = LOOPBACK, port = LEROBOT_PORT, tls } = options;
  const service = new LeRobotService(engine, options);
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': STREAMS_PER_CLIENT,
  });
  const widen = wideWindows(server);
  server.addService(ASYNC_INFERENCE, {
    sendObservations: service.sendObservations,
    getActions: service.getActions,
    sendPolicyInstructions: service.sendPolicyInstructions,
    ready: service.ready,
  });
  server.addService(MYELIN_INFERENCE, { describe: service.describe, infer: service.infer });
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ cert_chain: tls.certificate, private_key: tls.key }]);
  const address = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:${port}`, credentials, (error, found) => {
      if (error === null) resolve(found);
      else reject(listenError(error, host, port));
    });
  }).catch((error: unknown) => {
    service[Symbol.dispose]();
    throw error;
  });
  widen();
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      service[Symbol.dispose]();
      server.forceShutdown();
    })();
    return closing;
  };
  return {
    host,
    port: bound,
    get clients() {
      return service.robots.size;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

type Unary<Request, Response> = (
  call: ServerUnaryCall<Request, Response>,
  callback: sendUnaryData<Response>,
) => void;

/** What unary and streaming calls have in common. */
interface AnyCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getPeer(): string;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The methods of both services. */
class LeRobotService implements Disposable {
  readonly robots: Robots;
  readonly #engine: Engine;
  readonly #token: string | undefined;
  readonly #latencyMs: number;
  /** The form each client writes in is the form it is answered in. */
  readonly #codecs = new Map<string, LeRobotCodec>();
  readonly #arrivals = new Arrivals();

  constructor(engine: Engine, options: LeRobotServerOptions) {
    this.#engine = engine;
    this.#token = options.token;
    this.#latencyMs = (options.inferenceLatencyS ?? 0) * 1000;
    this.robots = new Robots({
      engine,
      memory: new SetupMemory(options.memoryFile),
      stepPeriodS: 1 / (options.fps ?? FPS),
      queueTimeoutMs: (options.observationTimeoutS ?? OBSERVATION_TIMEOUT_S) * 1000,
      similarity: options.similarity ?? DEFAULT_SIMILARITY,
      maxClients: options.maxClients ?? MAX_CLIENTS,
      onEvent: options.onEvent ?? (() => undefined),
    });
  }

  readonly ready: Unary<object, object> = (call, callback) =>
    this.#answer(call, callback, (peer) =>
      this.robots.call(peer, (session) => {
        session.ready();
        return {};
      }),
    );

  readonly sendPolicyInstructions: Unary<Uint8Array, object> = (call, callback) =>
    this.#answer(call, callback, async (peer) => {
      const codec = this.#codec(peer, call.request);
      await this.robots.setUp(peer, codec.readPolicyConfig(call.request));
      return {};
    });

  readonly getActions: Unary<object, Uint8Array> = (call, callback) =>
    this.#answer(call, callback, async (peer, signal) => {
      const earliestMs = performance.now() + this.#latencyMs;
      const answer = await this.robots.call(peer, (session) => session.actions(signal));
      if (answer === undefined) return NOTHING;
      const bytes = (this.#codecs.get(peer) ?? CODECS.pickle).writeActions(answer.actions);
      await until(earliestMs);
      return bytes;
    });

  readonly sendObservations = (
    call: ServerReadableStream<ObservationPiece, object>,
    callback: sendUnaryData<object>,
  ): void =>
    this.#answer(call, callback, async (peer, signal) => {
      const bytes = await this.#arrivals.receive(call, signal);
      await this.robots.offer(peer, this.#codec(peer, bytes).readObservation(bytes));
      return {};
    });

  readonly describe: Unary<object, Uint8Array> = (call, callback) =>
    this.#answer(call, callback, (peer) =>
      this.robots.call(peer, async (session) => {
        const name = session.config?.pretrainedNameOrPath;
        const spec = name === undefined ? undefined : (await this.#engine.open(name)).spec;
        return writeDescription(spec, session.looksBack);
      }),
    );

  readonly infer: Unary<InferRequest, InferReply> = (call, callback) =>
    this.#answer(call, callback, async (peer, signal) => {
      const { observation } = call.request;
      const codec = this.#codec(peer, observation);
      const timed = codec.readObservation(observation);
      const extras = readExtras(call.request);
      const { actions, timing } = await this.robots.call(peer, (session) =>
        session.answer(timed, { ...extras, signal }),
      );
      return { actions: codec.writeActions(actions), timing: writeTiming(timing) };
    });

  [Symbol.dispose](): void {
    this.robots[Symbol.dispose]();
  }

  /** Checks the token, runs the work, and answers with its result or its failure; never throws. */
  #answer<Response>(
    call: AnyCall,
    callback: sendUnaryData<Response>,
    work: (peer: string, signal: AbortSignal) => Promise<Response>,
  ): void {
    const abort = new AbortController();
    let answered = false;
    // Also called when an answered call ends.
    const gone = () => {
      if (!answered) abort.abort(new MyelinError('REQUEST_CANCELLED', { reason: 'the client is gone' }));
    };
    call.on('cancelled', gone);
    if (call.cancelled) gone();
    const run = async (): Promise<Response> => {
      const peer = call.getPeer();
      const [header] = call.metadata.get('authorization');
      const token = bearerToken(header?.toString());
      if (!tokenFits(token, this.#token)) {
        const fault = token === undefined ? 'missing' : 'wrong';
        throw new MyelinError('TOKEN_REFUSED', { client: peer, fault });
      }
      return work(peer, abort.signal);
    };
    const answer = (...result: Parameters<sendUnaryData<Response>>) => {
      answered = true;
      callback(...result);
    };
    run().then(
      (response) => answer(null, response),
      (thrown: unknown) => answer(toStatus(thrown), null),
    );
  }

  #codec(peer: string, bytes: Uint8Array): LeRobotCodec {
    const codec = codecOf(bytes);
    if (this.#codecs.size > 4 * this.robots.size + MAX_CLIENTS) this.#codecs.clear();
    this.#codecs.set(peer, codec);
    return codec;
  }
}

async function until(atMs: number): Promise<void> {
  const leftMs = atMs - performance.now();
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
}
