import { WebSocket } from 'ws';
import { MyelinError } from '../../core/errors.ts';

export interface ClientSocketOptions<Answer> {
  /** `ws://` or `wss://`, with port and path. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** PEM of the authority that signed the server's certificate. Default: those that Node knows. */
  readonly ca?: Buffer | undefined;
  /** Time for a connection and its first frame, ms. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Bytes a frame may have. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Told the server's first frame; what it throws ends the connection. */
  readonly onGreeting: (data: Buffer, binary: boolean) => void;
  /** Told every frame after it. */
  readonly onFrame: (socket: ClientSocket<Answer>, data: Buffer, binary: boolean) => void;
  /** Told once that a connection which had begun is gone, after the request on it has failed. */
  readonly onLost: (reason: string) => void;
}

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: MyelinError) => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/**
 * One connection to a server that speaks first and then answers one request at a time. Answers need no id, so one
 * that comes too late would be taken for the next one's: a connection whose answer is overdue is given up.
 */
export class ClientSocket<Answer> {
  readonly #options: ClientSocketOptions<Answer>;
  readonly #socket: WebSocket;
  #waiting: Waiting<Answer> | undefined;
  #greeted = false;
  #over = false;

  private constructor(options: ClientSocketOptions<Answer>) {
    const { url, headers, ca, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
    this.#options = options;
    this.#socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: maxMessageBytes,
      ...(ca === undefined ? {} : { ca }),
      headers: { ...headers },
    });
  }

  /** Connects and takes the greeting. @throws MyelinError SERVER_UNREACHABLE, and what `onGreeting` throws */
  static async open<Answer>(options: ClientSocketOptions<Answer>): Promise<ClientSocket<Answer>> {
    const opened = new ClientSocket<Answer>(options);
    await opened.#greet();
    return opened;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN && !this.#over;
  }

  /** Whether a request waits for its answer. */
  get isAsked(): boolean {
    return this.#waiting !== undefined;
  }

  /** Sends a message that has no answer. */
  send(message: string | Uint8Array): void {
    this.#socket.send(message, (error) => {
      if (error != null) this.drop(error.message);
    });
  }

  /**
   * Sends a request and resolves with what `answer` is given.
   * @throws MyelinError SERVER_UNREACHABLE, DEADLINE_EXCEEDED, and what `refuse` is given
   */
  ask(message: string | Uint8Array, timeoutMs: number): Promise<Answer> {
    if (this.#over) return Promise.reject(this.#unreachable('the connection is gone'));
    return new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => {
        const stage = 'waiting for the server';
        this.refuse(new MyelinError('DEADLINE_EXCEEDED', { deadlineMs: timeoutMs, stage }));
        this.drop('its answer was overdue');
      }, timeoutMs);
      const settle = (done: () => void) => {
        clearTimeout(timer);
        this.#waiting = undefined;
        done();
      };
      this.#waiting = {
        resolve: (answer) => settle(() => resolve(answer)),
        reject: (error) => settle(() => reject(error)),
      };
      this.send(message);
    });
  }

  /** Answers the request that waits. */
  answer(answer: Answer): void {
    this.#waiting?.resolve(answer);
  }

  /** Fails the request that waits. */
  refuse(error: MyelinError): void {
    this.#waiting?.reject(error);
  }

  /** Ends the connection at once; the request that waits fails. Idempotent. */
  drop(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.terminate();
    this.#waiting?.reject(this.#unreachable(reason));
    if (this.#greeted) this.#options.onLost(reason);
  }

  /** Ends the connection with a goodbye. Idempotent. */
  close(): void {
    this.#socket.close(1000);
    this.drop('it was closed here');
  }

  #greet(): Promise<void> {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, onGreeting, onFrame } = this.#options;
    const socket = this.#socket;
    return new Promise<void>((resolve, reject) => {
      const fail = (error: unknown) => {
        clearTimeout(timer);
        socket.terminate();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(this.#unreachable(`it said nothing within ${connectTimeoutMs} ms`)),
        connectTimeoutMs,
      );
      socket.on('error', (error) => fail(this.#unreachable(error.message)));
      socket.on('close', (code) => {
        const reason = `it closed the connection (${code})`;
        fail(this.#unreachable(reason));
        this.drop(reason);
      });
      socket.once('message', (data: Buffer, binary) => {
        try {
          onGreeting(data, binary);
        } catch (thrown) {
          return fail(thrown);
        }
        clearTimeout(timer);
        this.#greeted = true;
        socket.on('message', (frame: Buffer, isBinary) => {
          if (!this.#over) onFrame(this, frame, isBinary);
        });
        resolve();
      });
    });
  }

  #unreachable(reason: string): MyelinError {
    return new MyelinError('SERVER_UNREACHABLE', { url: this.#options.url, reason });
  }
}
