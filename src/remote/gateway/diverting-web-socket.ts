import type { Socket } from 'node:net';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { FrameDiverter } from './frame-diverter.ts';
import type { LiftedUploads } from './lifted-uploads.ts';

/** Called by `ws` when a connection is taken over; not in its types. */
type SetSocket = (this: WebSocket, socket: Socket, ...rest: unknown[]) => void;
const { setSocket } = WebSocket.prototype as unknown as { setSocket: SetSocket };

/** A server of `ws` whose connections hand long base64 to `lifted` before `ws` reads their frames. */
export function divertingServer(options: ServerOptions, lifted: LiftedUploads): WebSocketServer {
  const { maxPayload = 0 } = options;
  class DivertingWebSocket extends WebSocket {
    setSocket(...[socket, ...rest]: Parameters<SetSocket>): void {
      const before = socket.listeners('data');
      setSocket.call(this, socket, ...rest);
      divert(socket, before, maxPayload, lifted);
    }
  }
  return new WebSocketServer({ ...options, WebSocket: DivertingWebSocket });
}

function divert(socket: Socket, before: readonly unknown[], maxBytes: number, lifted: LiftedUploads): void {
  const reader = socket.listeners('data').find((listener) => !before.includes(listener));
  if (reader === undefined) throw new TypeError('ws does not read its connection by a listener any more');
  let name: string | undefined;
  // Whoever was to take the one before has done so, or never will.
  const forget = () => {
    if (name !== undefined) lifted.forget(name);
  };
  const diverter = new FrameDiverter({
    maxBytes,
    forward: (bytes) => reader.call(socket, bytes),
    keep: (chunks) => {
      forget();
      name = lifted.keep(chunks);
      return name;
    },
  });
  // As `once` does it: who removes the reader, which `ws` does when it has read enough, removes what stands for it.
  const take = Object.assign((chunk: Buffer) => diverter.take(chunk), { listener: reader });
  socket.off('data', reader as (chunk: Buffer) => void);
  socket.on('data', take);
  socket.once('close', forget);
}
