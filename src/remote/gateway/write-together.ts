import type { WebSocket } from 'ws';

/** The connection below a WebSocket. It is not in its types. */
interface Corkable {
  cork(): void;
  uncork(): void;
  readonly writableCorked: number;
}

/**
 * Has everything that is sent over this connection from here to the end of what the process is about go out in one
 * write: each write wakes the client.
 */
export function writeTogether(socket: WebSocket): void {
  const { _socket: connection } = socket as unknown as { readonly _socket?: Corkable | null };
  if (connection === undefined || connection === null || connection.writableCorked > 0) return;
  connection.cork();
  process.nextTick(() => connection.uncork());
}
