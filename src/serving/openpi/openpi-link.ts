import { MyelinError, toMyelinError } from '../../core/errors.ts';
import { Backoff } from '../websocket/backoff.ts';
import { ClientSocket } from '../websocket/client-socket.ts';
import { EXTENSION_HEADER } from './extension.ts';
import { readMessage } from './msgpack-reader.ts';
import { writeMessage } from './msgpack-writer.ts';
import { isMap, type WireMap, type WireValue } from './wire-value.ts';

export interface OpenpiLinkOptions {
  /** `ws://` or `wss://`, with port and path. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** PEM of the authority that signed the server's certificate. Default: those that Node knows. */
  readonly ca?: Buffer | undefined;
  /** Time for a connection and its first frame, ms; a server may load its model first. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Time for one answer, ms; a first inference may compile. Default 30 000. */
  readonly timeoutMs?: number | undefined;
  /** Bytes an answer may have. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Told the first frame of every connection; what it throws ends the connection. */
  readonly onGreeting: (metadata: WireMap) => void;
}

/** A frame of the server's: text is always a failure. */
export type Reply = { readonly text: string } | { readonly value: WireValue };

const TIMEOUT_MS = 30_000;

/**
 * The way to an openpi server, made when it is needed and made again when it broke: first the server's greeting, then
 * one answer to each request.
 */
export class OpenpiLink {
  readonly #options: OpenpiLinkOptions;
  readonly #backoff = new Backoff();
  #socket: ClientSocket<Reply> | undefined;
  #connecting: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #notBeforeMs = 0;
  #closed = false;

  constructor(options: OpenpiLinkOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#socket?.isOpen ?? false;
  }

  /**
   * Sends a value and resolves with the server's next frame. Calls take turns. A connection that turns out to be
   * broken is made anew, once; inference asks nothing twice of a robot.
   * @throws MyelinError SERVER_UNREACHABLE, DEADLINE_EXCEEDED, and what `onGreeting` throws
   */
  request(value: WireValue): Promise<Reply> {
    const reply = this.#turn.then(() => this.#exchange(value));
    this.#turn = reply.catch(() => undefined);
    return reply;
  }

  /** Connects now. @throws MyelinError as `request` */
  connect(): Promise<void> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  async #exchange(value: WireValue): Promise<Reply> {
    const message = writeMessage(value);
    const fresh = !this.connected;
    if (fresh) await this.connect();
    try {
      return await this.#send(message);
    } catch (thrown) {
      if (fresh || this.#closed || !(thrown instanceof MyelinError && thrown.code === 'SERVER_UNREACHABLE'))
        throw thrown;
      await this.connect();
      return this.#send(message);
    }
  }

  #send(message: Uint8Array): Promise<Reply> {
    const { timeoutMs = TIMEOUT_MS } = this.#options;
    if (this.#socket === undefined) return Promise.reject(this.#unreachable('the connection is gone'));
    return this.#socket.ask(message, timeoutMs);
  }

  async #open(): Promise<void> {
    if (this.#closed) throw this.#unreachable('it was closed here');
    const pauseMs = this.#notBeforeMs - performance.now();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    try {
      await this.#greet();
      this.#backoff.reset();
      this.#notBeforeMs = 0;
    } catch (thrown) {
      this.#notBeforeMs = performance.now() + this.#backoff.nextMs();
      throw thrown;
    }
  }

  async #greet(): Promise<void> {
    const { url, apiKey, ca, connectTimeoutMs, maxMessageBytes, onGreeting } = this.#options;
    const socket = await ClientSocket.open<Reply>({
      ...{ url, ca, connectTimeoutMs, maxMessageBytes },
      headers: {
        [EXTENSION_HEADER]: '1',
        ...(apiKey === undefined ? {} : { authorization: `Api-Key ${apiKey}` }),
      },
      onGreeting: (data, binary) => onGreeting(this.#greeting(data, binary)),
      onFrame: (from, data, binary) => this.#hear(from, data, binary),
      onLost: () => undefined,
    });
    this.#socket = socket;
    if (this.#closed) socket.close();
  }

  #greeting(data: Buffer, binary: boolean): WireMap {
    const value = binary ? readMessage(data) : data.toString().slice(0, 2000);
    if (isMap(value as WireValue)) return value as WireMap;
    const reason = typeof value === 'string' ? value : 'a first frame that is no metadata';
    throw this.#refused(reason);
  }

  #hear(socket: ClientSocket<Reply>, data: Buffer, binary: boolean): void {
    // A frame nobody asked for would be taken for the next answer.
    if (!socket.isAsked) {
      socket.drop('it sent what nobody asked for');
      return;
    }
    try {
      socket.answer(binary ? { value: readMessage(data) } : { text: data.toString() });
    } catch (thrown) {
      socket.refuse(toMyelinError(thrown));
      socket.drop('its answer could not be read');
    }
  }

  #unreachable(reason: string): MyelinError {
    return new MyelinError('SERVER_UNREACHABLE', { url: this.#options.url, reason });
  }

  #refused(reason: string): MyelinError {
    return new MyelinError('SERVER_REFUSED', {
      url: this.#options.url,
      reason,
      advice: 'See the log of the server; check that the address is that of an openpi server.',
    });
  }
}
