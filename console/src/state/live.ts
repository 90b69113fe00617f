import { decodePicture } from '../../../src/remote/gateway/camera-packet.ts';
import {
  type ClientMessage,
  type OperatorAction,
  type PageRequest,
  serverMessageSchema,
} from '../../../src/remote/gateway/telemetry.ts';
import { reconnectDelayMs } from './backoff.ts';
import { forgetToken, pageToken, subprotocols } from './page-token.ts';
import { takePicture } from './pictures.ts';
import { connectionState, history, notice, operates, silent, stopPending, take } from './store.ts';

/** Without a message for this long the data is called old, ms. */
const SILENT_AFTER_MS = 1000;
/** A page that operates says so often that it is alive, ms; without it the lease lapses after two seconds. */
const ALIVE_PERIOD_MS = 400;
/** Without a message for this long the connection is given up and made anew, ms. */
const DEAD_AFTER_MS = 5000;

/** The page's one WebSocket: reconnects by itself, turns messages into signals. */
class LiveConnection {
  #socket: WebSocket | undefined;
  #attempt = 0;
  #heardMs = 0;
  #aliveMs = 0;

  open(): void {
    const url = new URL('/live', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url, subprotocols());
    let opened = false;
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#heardMs = performance.now();
    const watch = setInterval(() => {
      const quietMs = performance.now() - this.#heardMs;
      silent.value = quietMs > SILENT_AFTER_MS;
      if (quietMs > DEAD_AFTER_MS) socket.close();
    }, 250);
    socket.onopen = () => {
      opened = true;
      this.#attempt = 0;
      connectionState.value = 'live';
      if (stopPending.value) this.request('stop');
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.#take(event.data);
    socket.onclose = () => {
      clearInterval(watch);
      connectionState.value = 'lost';
      history.gap(performance.now());
      if (!opened) void this.#askWhy();
      setTimeout(() => this.open(), reconnectDelayMs(this.#attempt++, Math.random()));
    };
  }

  /** Asks for the operator's lease, or gives it back. */
  operator(action: OperatorAction): void {
    if (!this.#send({ type: 'operator', action }))
      notice.value = { ok: false, text: 'Not delivered: there is no connection.' };
  }

  /** Sends a request. A stop without a connection is kept and goes out first; anything else is lost, and says so. */
  request(request: PageRequest): void {
    if (this.#send({ type: 'request', request })) {
      if (request === 'stop') stopPending.value = false;
      return;
    }
    if (request === 'stop') stopPending.value = true;
    notice.value = {
      ok: false,
      text:
        request === 'stop'
          ? 'Stop is not delivered: there is no connection. It goes out first when it is back.'
          : 'Not delivered: there is no connection.',
    };
  }

  #send(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** With what comes, not with a timer: browsers slow the timers of tabs in the background down to a crawl. */
  #sayAlive(): void {
    if (!operates.value || this.#heardMs - this.#aliveMs < ALIVE_PERIOD_MS) return;
    this.#aliveMs = this.#heardMs;
    this.#send({ type: 'alive' });
  }

  /** A browser does not say why a WebSocket was refused; the same request over HTTP does. */
  async #askWhy(): Promise<void> {
    try {
      const token = pageToken();
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = await fetch('/api/status', { headers });
      if (answer.status !== 401 && answer.status !== 403) return;
      const { code, message, hint } = (await answer.json()) as Record<string, unknown>;
      // One of another time, or of another robot at this address.
      if (code === 'TOKEN_REFUSED') forgetToken();
      notice.value = { ok: false, text: `${String(message)}. ${String(hint)}` };
    } catch {
      // Nobody answers at all: the banner says so.
    }
  }

  #take(data: string | ArrayBuffer): void {
    this.#heardMs = performance.now();
    if (typeof data !== 'string') {
      const picture = decodePicture(data);
      if (picture !== undefined) takePicture(picture);
      return;
    }
    const parsed = serverMessageSchema.safeParse(JSON.parse(data));
    if (parsed.success) {
      take(parsed.data, this.#heardMs);
      this.#sayAlive();
    } else notice.value = { ok: false, text: 'The server speaks another version. Reload the page.' };
  }
}

export const connection = new LiveConnection();
