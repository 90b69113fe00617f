import {
  type CallOptions,
  Client,
  type ClientUnaryCall,
  ChannelCredentials as Credentials,
  connectivityState,
  status as GrpcStatus,
  Metadata,
  type MethodDefinition,
} from '@grpc/grpc-js';
import { brokenConnection, fromStatus, showsBroken } from './status.ts';

export interface ConnectionOptions {
  /** `host:port`. */
  readonly address: string;
  readonly token?: string | undefined;
  /** PEM of the authority that signed the server's certificate, or true for the system's. Default: no TLS. */
  readonly tls?: Buffer | true | undefined;
}

export interface CallLimits {
  /** Milliseconds for the whole call. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Stock servers repeat the whole chunk in every row: 200 x 32 take 5 MB. */
const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/** A window of 64 KiB, HTTP/2's standard, stops megabytes every few tens of microseconds. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const RECONNECT_MS = 1000;

/** A channel of the library, and what ends its calls when it is given up. */
interface Way {
  readonly client: Client;
  readonly calls: Set<() => void>;
}

/**
 * The way to a server. Every call has a deadline. A connection that was lost is made anew by the next call; so is one
 * that takes itself for sound and on which a call failed with nothing, or no status, coming back: bytes that went
 * astray leave both ends open and at odds for good, and a cable that is out leaves them open and silent.
 */
export class LeRobotConnection implements Disposable {
  readonly address: string;
  readonly #credentials: Credentials;
  readonly #metadata = new Metadata();
  #way: Way;
  #losses = 0;
  #closed = false;

  constructor({ address, token, tls }: ConnectionOptions) {
    this.address = address;
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`);
    this.#credentials =
      tls === undefined ? Credentials.createInsecure() : Credentials.createSsl(tls === true ? null : tls);
    this.#way = this.#open();
  }

  /** How often the connection was lost so far: a server that was restarted remembers nothing. */
  get losses(): number {
    return this.#losses;
  }

  /** One message there, one back. @throws MyelinError SERVER_UNREACHABLE, SERVER_REFUSED, REQUEST_CANCELLED */
  call<Request, Response>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
    request: Request,
    limits: CallLimits,
  ): Promise<Response> {
    return this.#settle(limits, (client, options, done) =>
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata,
        options,
        done,
      ),
    );
  }

  /** Several messages there, one back. */
  upload<Request, Response>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
    requests: Iterable<Request>,
    limits: CallLimits,
  ): Promise<Response> {
    return this.#settle<Response>(limits, (client, options, done) => {
      const call = client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        this.#metadata,
        options,
        done,
      );
      for (const request of requests) call.write(request);
      call.end();
      return call;
    });
  }

  close(): void {
    this.#closed = true;
    this.#way.client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #settle<Response>(
    { deadlineMs, signal }: CallLimits,
    start: (
      client: Client,
      options: CallOptions,
      done: (error: Error | null, response?: Response) => void,
    ) => Pick<ClientUnaryCall, 'cancel'>,
  ): Promise<Response> {
    const way = this.#way;
    return new Promise<Response>((resolve, reject) => {
      let givenUp = false;
      const done = (error: Error | null, response?: Response) => {
        signal?.removeEventListener('abort', cancel);
        way.calls.delete(giveUp);
        if (error === null) return resolve(response as Response);
        if (!signal?.aborted && showsBroken(error)) this.#doubt(way);
        reject(givenUp ? brokenConnection(error, this.address) : fromStatus(error, this.address));
      };
      const call = start(way.client, { deadline: Date.now() + deadlineMs }, done);
      const cancel = () => call.cancel();
      const giveUp = () => {
        givenUp = true;
        call.cancel();
      };
      way.calls.add(giveUp);
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted) cancel();
    });
  }

  #open(): Way {
    const client = new Client(this.address, this.#credentials, {
      'grpc.max_receive_message_length': MAX_REPLY_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc-node.flow_control_window': WINDOW_BYTES,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_MS / 4,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MS,
      'grpc.enable_retries': 0,
      // Clients that shared a connection would be one to a server that tells them by it.
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#watch(client);
    return { client, calls: new Set() };
  }

  /** Gives a channel up that takes itself for sound after a call failed on it. */
  #doubt(way: Way): void {
    if (way !== this.#way || this.#closed) return;
    if (way.client.getChannel().getConnectivityState(false) !== connectivityState.READY) return;
    this.#losses += 1;
    this.#way = this.#open();
    // The library closes the socket once no call is left on it.
    for (const giveUp of [...way.calls]) giveUp();
    way.client.close();
  }

  /** Counts how often the channel falls out of READY. */
  #watch(client: Client): void {
    const channel = client.getChannel();
    const state = channel.getConnectivityState(false);
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, (error) => {
      if (error || this.#closed || client !== this.#way.client) return;
      if (state === connectivityState.READY) this.#losses += 1;
      this.#watch(client);
    });
  }
}

/** Whether the server has no such method: it is not one of ours. */
export const isUnimplemented = (thrown: unknown): boolean =>
  ((thrown as { cause?: { code?: unknown } }).cause?.code ?? undefined) === GrpcStatus.UNIMPLEMENTED;
