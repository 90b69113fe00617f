import { MyelinError, toMyelinError } from '../../core/errors.ts';
import { EXTENSION, EXTENSION_HEADER } from '../openpi/extension.ts';
import { readMessage } from '../openpi/msgpack-reader.ts';
import { writeMessage } from '../openpi/msgpack-writer.ts';
import { fromPlain, toPlain } from '../openpi/wire-value.ts';
import { Backoff } from '../websocket/backoff.ts';
import { ClientSocket } from '../websocket/client-socket.ts';
import {
  errorSchema,
  metadataSchema,
  type Pi05Answer,
  type Pi05Metadata,
  refreshErrorSchema,
  refreshSchema,
  type SubtaskRefresh,
  successSchema,
} from './answers.ts';
import {
  encodeObservation,
  encodeParameters,
  type ImageEncoding,
  type Pi05Observation,
  type Pi05Request,
} from './encode-request.ts';
import { RequestStatistics, type RequestSummary } from './request-statistics.ts';

export interface Pi05ClientOptions {
  /** `ws://` or `wss://`, with its port. */
  readonly url: string;
  readonly token?: string | undefined;
  /** PEM of the authority that signed the server's certificate. Default: those that Node knows. */
  readonly ca?: Buffer | undefined;
  /** How pictures travel. Default: as bytes where the server offers that, else as nested lists. */
  readonly images?: ImageEncoding | undefined;
  /** Time for one answer, ms. Default 30 000. */
  readonly timeoutMs?: number | undefined;
  /** Time for a connection and the metadata, ms. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Times a request is sent again when its connection broke. Default 2. */
  readonly retries?: number | undefined;
  /** Something people should know. */
  readonly onEvent?: ((text: string) => void) | undefined;
}

/** An answer, and what it took on this side. */
export type Pi05Result = Pi05Answer & { readonly client_timing: { readonly total_ms: number } };

type Socket = ClientSocket<Pi05Answer>;

const TIMEOUT_MS = 30_000;

/**
 * A client of the pi0.5 WebSocket protocol. It connects when it is needed, and again by itself when the connection
 * broke; while somebody listens for refreshes, it reconnects without being asked and sets the refresh going again.
 * @example
 * await using client = new Pi05Client({ url: 'ws://gpu-box:8765' });
 * const { actions, subtask } = await client.infer({ images, state, highLevelPrompt: 'Pick up the flashcard' });
 */
export class Pi05Client implements AsyncDisposable {
  readonly #options: Pi05ClientOptions;
  readonly #backoff = new Backoff();
  readonly #statistics = new RequestStatistics();
  readonly #listeners = new Set<(refresh: SubtaskRefresh) => void>();
  #socket: Socket | undefined;
  #connecting: Promise<Socket> | undefined;
  #metadata: Pi05Metadata | undefined;
  /** Of the request that waits. */
  #askedId = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #nextId = 1;
  /** What to set going again after a reconnection. */
  #refreshing: Pi05Request | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: Pi05ClientOptions) {
    this.#options = options;
  }

  /** What the server said first; undefined before the first connection. */
  get metadata(): Pi05Metadata | undefined {
    return this.#metadata;
  }

  /** Times of the requests so far. */
  get statistics(): RequestSummary {
    return this.#statistics.summary();
  }

  /** @throws MyelinError SERVER_UNREACHABLE, SERVER_REFUSED */
  async connect(): Promise<Pi05Metadata> {
    await this.#connected();
    return this.#metadata as Pi05Metadata;
  }

  /**
   * One request. Calls take turns.
   * @throws MyelinError SERVER_UNREACHABLE, SERVER_REFUSED, DEADLINE_EXCEEDED
   */
  infer(request: Pi05Request): Promise<Pi05Result> {
    const result = this.#turn.then(() => this.#inferWithRetries(request));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Requests one after the other; one that fails is its error, and the next follows all the same. */
  async inferBatch(
    requests: readonly Pi05Request[],
    { pauseMs = 0 }: { pauseMs?: number } = {},
  ): Promise<(Pi05Result | MyelinError)[]> {
    const results: (Pi05Result | MyelinError)[] = [];
    for (const [i, request] of requests.entries()) {
      if (i > 0 && pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      results.push(await this.infer(request).catch(toMyelinError));
    }
    return results;
  }

  /** Calls back with every refreshed subtask until the returned function is called. */
  listen(onRefresh: (refresh: SubtaskRefresh) => void): () => void {
    this.#listeners.add(onRefresh);
    return () => this.#listeners.delete(onRefresh);
  }

  /**
   * Shows the server what is there now, for the next refresh, and may change the interval (s; null stops).
   * @throws MyelinError SERVER_UNREACHABLE
   */
  async updateObservation(
    observation: Partial<Pi05Observation> & Pick<Pi05Request, 'timestep'>,
    subtaskRefreshInterval?: number | null,
  ): Promise<void> {
    const socket = await this.#connected();
    const { images, highLevelPrompt, state, timestep } = observation;
    const seen = await encodeObservation(
      { images: images ?? {}, ...(state === undefined ? {} : { state }) },
      this.#encoding,
    );
    if (this.#refreshing !== undefined)
      this.#refreshing = {
        ...this.#refreshing,
        ...observation,
        ...(subtaskRefreshInterval === undefined ? {} : { subtaskRefreshInterval }),
      };
    const update = {
      type: 'update_observation',
      ...(images === undefined ? { state: seen.state } : seen),
      high_level_prompt: highLevelPrompt,
      timestep,
      subtask_refresh_interval: subtaskRefreshInterval,
    };
    socket.send(this.#written(update));
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#listeners.clear();
    this.#socket?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #encoding(): ImageEncoding {
    const { images } = this.#options;
    return images ?? (this.#metadata?.frame_encodings?.includes('msgpack') ? 'msgpack' : 'nested');
  }

  async #inferWithRetries(request: Pi05Request): Promise<Pi05Result> {
    const { retries = 2 } = this.#options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#inferOnce(request);
      } catch (thrown) {
        const error = toMyelinError(thrown);
        if (error.code !== 'SERVER_UNREACHABLE' || attempt >= retries || this.#closed) {
          this.#statistics.failures += 1;
          throw error;
        }
        this.#statistics.retries += 1;
        await new Promise((resolve) => setTimeout(resolve, this.#backoff.nextMs()));
      }
    }
  }

  async #inferOnce(request: Pi05Request): Promise<Pi05Result> {
    const startedMs = performance.now();
    const socket = await this.#connected();
    const id = this.#nextId++;
    const message = {
      request_id: id,
      ...(await encodeObservation(request, this.#encoding)),
      ...encodeParameters(this.#understood(request)),
    };
    this.#askedId = id;
    const answer = await socket.ask(this.#written(message), this.#options.timeoutMs ?? TIMEOUT_MS);
    const totalMs = performance.now() - startedMs;
    this.#statistics.answered(totalMs, answer.server_timing.total_ms);
    if (request.subtaskRefreshInterval !== undefined)
      this.#refreshing = answer.subtask_refresh_enabled ? request : undefined;
    return { ...answer, client_timing: { total_ms: totalMs } };
  }

  /** Without what only a server of ours knows, unless this one said that it does. */
  #understood(request: Pi05Request): Pi05Request {
    if (this.#metadata?.[EXTENSION]?.real_time_chunking !== undefined) return request;
    const { realTimeChunk: _, ...rest } = request;
    return rest;
  }

  #written(message: object): string | Uint8Array {
    return this.#encoding.startsWith('msgpack') ? writeMessage(fromPlain(message)) : JSON.stringify(message);
  }

  #connected(): Promise<Socket> {
    if (this.#socket?.isOpen) return Promise.resolve(this.#socket);
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<Socket> {
    const { url, token, ca, connectTimeoutMs } = this.#options;
    if (this.#closed) throw this.#unreachable('it was closed here');
    const socket: Socket = await ClientSocket.open<Pi05Answer>({
      ...{ url, ca, connectTimeoutMs },
      headers: {
        [EXTENSION_HEADER]: '1',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      onGreeting: (data, binary) => {
        const metadata = metadataSchema.safeParse(decode(data, binary));
        if (!metadata.success) throw this.#refused(data.toString().slice(0, 200));
        this.#metadata = metadata.data;
      },
      onFrame: (from, data, binary) => this.#hear(from, data, binary),
      onLost: (reason) => this.#lost(reason),
    });
    this.#socket = socket;
    if (this.#closed) socket.close();
    this.#backoff.reset();
    return socket;
  }

  #hear(socket: Socket, data: Buffer, binary: boolean): void {
    const value = decode(data, binary);
    const refresh = refreshSchema.safeParse(value);
    if (refresh.success) {
      for (const tell of this.#listeners) tell(refresh.data);
      return;
    }
    const unrefreshed = refreshErrorSchema.safeParse(value);
    if (unrefreshed.success) {
      this.#options.onEvent?.(`the subtask was not refreshed: ${unrefreshed.data.error}`);
      return;
    }
    const failed = errorSchema.safeParse(value);
    const answer = successSchema.safeParse(value);
    const id = failed.success ? failed.data.request_id : answer.data?.request_id;
    if (!socket.isAsked || (id !== undefined && id !== this.#askedId)) {
      this.#options.onEvent?.(`the server says: ${failed.data?.error ?? data.toString().slice(0, 200)}`);
      return;
    }
    if (answer.success) socket.answer(answer.data);
    else socket.refuse(this.#refused(failed.data?.error ?? 'an answer that is not as documented'));
  }

  /** The connection is gone; whoever listens gets it back. */
  #lost(reason: string): void {
    if (!this.#closed && this.#listeners.size > 0 && this.#refreshing !== undefined) this.#comeBack(reason);
  }

  #comeBack(reason: string): void {
    const pauseMs = this.#backoff.nextMs();
    this.#options.onEvent?.(`${reason}; connecting again in ${pauseMs.toFixed(0)} ms`);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(async () => {
      const request = this.#refreshing;
      if (this.#closed || request === undefined) return;
      try {
        await this.#connected();
        this.#statistics.reconnects += 1;
        await this.updateObservation(request, request.subtaskRefreshInterval);
      } catch (thrown) {
        this.#comeBack(toMyelinError(thrown).message);
      }
    }, pauseMs);
  }

  #unreachable(reason: string): MyelinError {
    return new MyelinError('SERVER_UNREACHABLE', { url: this.#options.url, reason });
  }

  #refused(reason: string): MyelinError {
    const advice = 'The server says so; look into its log.';
    return new MyelinError('SERVER_REFUSED', { url: this.#options.url, reason, advice });
  }
}

/** A frame as plain values; undefined when it is neither JSON nor MessagePack. */
function decode(data: Buffer, binary: boolean): unknown {
  try {
    return binary ? toPlain(readMessage(data)) : JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}
