import type { WebSocket } from 'ws';
import {
  encodeMessage,
  type OperatorAction,
  type PageRequest,
  parseClientMessage,
  type Reply,
  type ServerMessage,
} from './telemetry.ts';

/** With this much unsent, telemetry and pictures are left out; the next ones are newer anyway. */
export const SKIP_ABOVE_BYTES = 256 * 1024;
/** With this much unsent the client is not reading at all and is let go. */
export const DROP_ABOVE_BYTES = 4 * 1024 * 1024;

export type Outcome = Pick<Reply, 'ok' | 'text'>;

export interface LiveClientHooks {
  /** Carries out a request at once and says what came of it. */
  readonly onRequest: (request: PageRequest) => Outcome;
  readonly onOperator: (action: OperatorAction) => Promise<Outcome>;
  /** It sent something: it lives. */
  readonly onHeard: () => void;
  readonly onMalformed: () => void;
}

/**
 * One browser on `/live`. Nothing it sends or fails to read can hurt: malformed messages are answered and
 * counted, what it is too slow for is left out, and one that stops reading is dropped.
 */
export class LiveClient {
  readonly #socket: WebSocket;
  readonly #hooks: LiveClientHooks;
  #skipped = 0;

  constructor(socket: WebSocket, hooks: LiveClientHooks) {
    this.#socket = socket;
    this.#hooks = hooks;
    socket.on('message', (data, isBinary) => this.#onMessage(String(data), isBinary));
    // `ws` closes the connection itself after an error (too large a message, a broken frame).
    socket.on('error', () => hooks.onMalformed());
  }

  /** Messages left out because the client was slow. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Sends what must arrive: answers and events. */
  send(message: ServerMessage): void {
    this.#write(encodeMessage(message));
  }

  /** Sends what is worth nothing once it is old: telemetry and pictures. */
  sendIfKeepingUp(data: string | Uint8Array): void {
    if (this.#socket.bufferedAmount > SKIP_ABOVE_BYTES) this.#skipped += 1;
    else this.#write(data);
  }

  close(): void {
    this.#socket.close(1001, 'The server ends');
    this.#socket.terminate();
  }

  #write(data: string | Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > DROP_ABOVE_BYTES) {
      this.#socket.terminate();
      return;
    }
    this.#socket.send(data, () => undefined);
  }

  #onMessage(data: string, isBinary: boolean): void {
    const parsed = parseClientMessage(isBinary ? '' : data);
    if (!parsed.ok) {
      this.#hooks.onMalformed();
      this.send(parsed.error);
      return;
    }
    const { message } = parsed;
    const reply = (request: Reply['request'], outcome: Outcome, id: number | undefined) =>
      this.send({ type: 'reply', request, ...outcome, ...(id === undefined ? {} : { id }) });
    // First the deed, a stop above all; everything else can wait for it.
    if (message.type === 'request')
      reply(message.request, this.#hooks.onRequest(message.request), message.id);
    this.#hooks.onHeard();
    if (message.type === 'operator') {
      const { action, id } = message;
      void this.#hooks.onOperator(action).then((outcome) => reply(action, outcome, id));
    }
  }
}
