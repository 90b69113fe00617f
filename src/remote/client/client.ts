import { io, type Socket } from 'socket.io-client';
import { type Answer, answerSchema } from '../protocol/answer.ts';
import { type Notice, noticeSchema } from '../protocol/notice.ts';
import type { ProcessParams } from '../protocol/requests.ts';
import { Emitter, type Unsubscribe } from './emitter.ts';
import { HttpClient } from './http-client.ts';
import { ProjectsClient } from './projects-client.ts';
import { localError, RemoteError } from './remote-error.ts';
import { type CallArguments, type RemoteObjects, remoteObjects } from './typed-objects.ts';

/**
 * `connecting`: for the first time. `reconnecting`: was connected, tries again by itself. `refused`: the gateway does
 * not want this client (see {@link ConnectionInfo.reason}); it is not asked again. `closed`: by {@link MyelinClient.close}.
 */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'refused' | 'closed';

export interface ConnectionInfo {
  readonly state: ConnectionState;
  /** Why it is not connected, in words. */
  readonly reason?: string;
}

export interface ClientOptions {
  /** Address of the gateway: `http://127.0.0.1:8000`. In a browser, the page's own when left out. */
  readonly url?: string;
  readonly token?: string | undefined;
  /**
   * Hold no lease unless {@link MyelinClient.operator} takes it: calls pass while nobody operates, beside an operator
   * with the same token, and for an admin; nothing of the project ends with this connection. Default false: the first
   * connection that may operate is the operator.
   */
  readonly watch?: boolean;
  /** Longest time for the answer of a call, ms. Default 370 000: the gateway's own limit comes first. */
  readonly callTimeoutMs?: number;
  /** First and longest pause between attempts to connect again, ms. Defaults 200 and 3000. */
  readonly reconnectMs?: number;
  readonly reconnectMaxMs?: number;
}

export type CallOptions = {
  /** Project that is called; the one in use when left out. */
  readonly project?: string;
  /** Function of the module when there is no object. */
  readonly object?: string;
  readonly timeoutMs?: number;
};

type Welcome = Extract<Notice, { type: 'welcome' }>;

/**
 * A robot's gateway, from a browser or from Node. Connects by itself and again after a loss; nothing is queued while
 * there is no connection, so no call reaches the robot later than it was meant: it fails at once instead.
 *
 * @example
 * const robot = new MyelinClient({ url: 'http://127.0.0.1:8000', token });
 * await robot.ready();
 * robot.on('task_progress', (data) => console.log(data));
 * await robot.call('StandUp', {}, { object: 'sport_client' });
 */
export class MyelinClient {
  /** Versions, uploads, downloads: over HTTP, so that they never delay a call. */
  readonly projects: ProjectsClient;
  readonly #socket: Socket;
  readonly #callTimeoutMs: number;
  readonly #states = new Emitter<ConnectionInfo>();
  readonly #notices = new Emitter<Notice>();
  readonly #syncs = new Emitter<Welcome>();
  readonly #events = new Map<string, Emitter<unknown>>();
  #connection: ConnectionInfo = { state: 'connecting' };
  #welcome: Welcome | undefined;

  constructor(options: ClientOptions = {}) {
    const url = options.url ?? (globalThis as { location?: { origin: string } }).location?.origin ?? '';
    this.projects = new ProjectsClient(new HttpClient({ url, token: options.token }));
    this.#callTimeoutMs = options.callTimeoutMs ?? 370_000;
    this.#socket = io(url, {
      forceNew: true,
      transports: ['websocket'],
      auth: {
        ...(options.token === undefined ? {} : { token: options.token }),
        ...(options.watch === true ? { watch: true } : {}),
      },
      reconnectionDelay: options.reconnectMs ?? 200,
      reconnectionDelayMax: options.reconnectMaxMs ?? 3000,
    });
    this.#listen();
  }

  /** The state of the connection now. */
  get connection(): ConnectionInfo {
    return this.#connection;
  }

  /** Who this client is at the gateway, and who operates: undefined until the first connection. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** Tells the state now, and whenever it changes. */
  onConnection(listener: (info: ConnectionInfo) => void): Unsubscribe {
    listener(this.#connection);
    return this.#states.add(listener);
  }

  /** After every connection, the first and those after a loss: what was shown before may be out of date. */
  onSync(listener: (welcome: Welcome) => void): Unsubscribe {
    return this.#syncs.add(listener);
  }

  /** What the gateway tells: log lines, progress, the worker, the operator. */
  onNotice(listener: (notice: Notice) => void): Unsubscribe {
    return this.#notices.add(listener);
  }

  /** Events that the project pushes. */
  on<T = unknown>(event: string, listener: (data: T) => void): Unsubscribe {
    let emitter = this.#events.get(event);
    if (emitter === undefined) {
      emitter = new Emitter();
      this.#events.set(event, emitter);
      this.#socket.on(event, (data: unknown) => emitter?.emit(data));
    }
    return emitter.add(listener as (data: unknown) => void);
  }

  /** Resolves when connected. @throws RemoteError when the gateway refuses this client, or it is closed, or in time */
  ready(timeoutMs = 10_000): Promise<void> {
    return new Promise((done, fail) => {
      let stop: Unsubscribe = () => undefined;
      const timer = setTimeout(() => settle(this.#notConnected()), timeoutMs);
      const settle = (error?: RemoteError) => {
        clearTimeout(timer);
        queueMicrotask(() => stop());
        if (error === undefined) done();
        else fail(error);
      };
      stop = this.onConnection(({ state }) => {
        if (state === 'connected') settle();
        else if (state === 'refused' || state === 'closed') settle(this.#refusal ?? this.#notConnected());
      });
    });
  }

  /** Calls a method of an object of the project, or one of its functions. Resolves with what it returned. @throws RemoteError */
  async call(method: string, args: CallArguments = {}, options: CallOptions = {}): Promise<unknown> {
    const { project, object, timeoutMs = this.#callTimeoutMs } = options;
    const params: Partial<ProcessParams> = {
      method,
      args: args as ProcessParams['args'],
      ...(object === undefined ? {} : { object }),
      ...(project === undefined ? {} : { project }),
    };
    return (await this.#ask('process', { params }, timeoutMs)).data;
  }

  /** The objects of a project as if they were here; `T` says what they can do. */
  objects<T>(options: Omit<CallOptions, 'object'> = {}): RemoteObjects<T> {
    return remoteObjects<T>((object, method, args) => this.call(method, args, { ...options, object }));
  }

  /** Loads a project, so that the first call does not wait for it. @throws RemoteError */
  async start(project?: string): Promise<unknown> {
    return (await this.#ask('start', project === undefined ? {} : { project }, this.#callTimeoutMs)).data;
  }

  /** Stops the arm at once. Every right may. @throws RemoteError */
  async stop(): Promise<void> {
    await this.#ask('stop', {}, 5000);
  }

  /** Takes the lease of the operator, gives it back, or tells who has it. @throws RemoteError OPERATOR_BUSY */
  async operator(action: 'status' | 'take' | 'release' = 'status'): Promise<unknown> {
    return (await this.#ask('operator', { action }, 10_000)).data;
  }

  /** Ends the connection for good. Calls that wait fail. Can be called twice. */
  close(): void {
    if (this.#connection.state === 'closed') return;
    this.#become({ state: 'closed' });
    this.#socket.removeAllListeners();
    this.#socket.disconnect();
    for (const emitter of [this.#states, this.#notices, this.#syncs, ...this.#events.values()])
      emitter.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #refusal: RemoteError | undefined;

  #listen(): void {
    const socket = this.#socket;
    socket.on('connect', () => {
      this.#refusal = undefined;
      this.#become({ state: 'connected' });
    });
    socket.on('disconnect', (reason) => {
      // A server that ends the connection on purpose is asked again too: it may only be restarting.
      if (!socket.active) socket.connect();
      this.#become({ state: 'reconnecting', reason });
    });
    socket.on('connect_error', (error: Error & { data?: { code?: string; hint?: string } }) => {
      if (socket.active) {
        const state = this.#welcome === undefined ? 'connecting' : 'reconnecting';
        this.#become({ state, reason: error.message });
        return;
      }
      const { code = 'TOKEN_REFUSED', hint } = error.data ?? {};
      this.#refusal = new RemoteError({ code, message: error.message, hint });
      this.#become({ state: 'refused', reason: error.message });
    });
    socket.on('myelin', (value: unknown) => {
      const notice = noticeSchema.safeParse(value);
      // A newer gateway may tell what this client does not know.
      if (!notice.success) return;
      if (notice.data.type === 'welcome') {
        this.#welcome = notice.data;
        this.#syncs.emit(notice.data);
      }
      this.#notices.emit(notice.data);
    });
  }

  #become(info: ConnectionInfo): void {
    if (info.state === this.#connection.state && info.reason === this.#connection.reason) return;
    this.#connection = info;
    this.#states.emit(info);
  }

  #notConnected(): RemoteError {
    const { state, reason } = this.#connection;
    return localError('NOT_CONNECTED', { state: reason === undefined ? state : `${state}: ${reason}` });
  }

  async #ask(event: string, payload: unknown, timeoutMs: number): Promise<Answer> {
    if (!this.#socket.connected) throw this.#refusal ?? this.#notConnected();
    let value: unknown;
    try {
      value = await this.#socket.timeout(timeoutMs).emitWithAck(event, payload);
    } catch (thrown) {
      if (/timed? ?out/i.test((thrown as Error).message)) {
        throw localError('ANSWER_TIMEOUT', { request: event, seconds: timeoutMs / 1000 }, thrown);
      }
      throw localError('CONNECTION_LOST', { request: event }, thrown);
    }
    const answer = answerSchema.safeParse(value);
    if (!answer.success) {
      throw new RemoteError({
        code: 'MESSAGE_INVALID',
        message: 'The gateway answered something else than an answer',
      });
    }
    if (answer.data.status === 'error') throw RemoteError.of(answer.data);
    return answer.data;
  }
}
