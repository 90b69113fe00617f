import { decodePicture } from '../../../src/remote/gateway/camera-packet.ts';
import {
  type ClientMessage,
  type PageRequest,
  serverMessageSchema,
} from '../../../src/remote/gateway/telemetry.ts';
import { reconnectDelayMs } from './backoff.ts';
import { takePicture } from './pictures.ts';
import { connectionState, history, notice, silent, stopPending, take } from './store.ts';

/** Without a message for this long the data is called old, ms. */
const SILENT_AFTER_MS = 1000;
/** Without a message for this long the connection is given up and made anew, ms. */
const DEAD_AFTER_MS = 5000;

/** The page's one WebSocket: reconnects by itself, turns messages into signals. */
class LiveConnection {
  #socket: WebSocket | undefined;
  #attempt = 0;
  #heardMs = 0;

  open(): void {
    const url = new URL('/live', location.href);
    url.protocol = 'ws:';
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#heardMs = performance.now();
    const watch = setInterval(() => {
      const quietMs = performance.now() - this.#heardMs;
      silent.value = quietMs > SILENT_AFTER_MS;
      if (quietMs > DEAD_AFTER_MS) socket.close();
    }, 250);
    socket.onopen = () => {
      this.#attempt = 0;
      connectionState.value = 'live';
      if (stopPending.value) this.request('stop');
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.#take(event.data);
    socket.onclose = () => {
      clearInterval(watch);
      connectionState.value = 'lost';
      history.gap(performance.now());
      setTimeout(() => this.open(), reconnectDelayMs(this.#attempt++, Math.random()));
    };
  }

  /** Sends a request. A stop without a connection is kept and goes out first; anything else is lost, and says so. */
  request(request: PageRequest): void {
    const message: ClientMessage = { type: 'request', request };
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
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

  #take(data: string | ArrayBuffer): void {
    this.#heardMs = performance.now();
    if (typeof data !== 'string') {
      const picture = decodePicture(data);
      if (picture !== undefined) takePicture(picture);
      return;
    }
    const parsed = serverMessageSchema.safeParse(JSON.parse(data));
    if (parsed.success) take(parsed.data, this.#heardMs);
    else notice.value = { ok: false, text: 'The server speaks another version. Reload the page.' };
  }
}

export const connection = new LiveConnection();
