import type { Http2Server, Settings } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

/** What the library's server has of its own, of the version this package pins. */
interface Inside {
  readonly commonServerOptions?: { settings?: Settings };
  readonly http2Servers?: Map<Http2Server, unknown>;
}

/** Bytes that may be under way: an observation of two cameras of 640x480, or a piece of a larger one. */
export const WINDOW_BYTES = 4 * 1024 * 1024;
/** Frames as large as a read of the socket is; the standard's 16 KiB are four times the work. */
export const FRAME_BYTES = 64 * 1024;

/**
 * Has clients send an observation without stopping. By itself the library's server lets them send 64 KiB, HTTP/2's
 * standard, and then wait for its word, which costs more than the whole rest of a round trip; it has an option for
 * that at its client only.
 * @param server one that has not been bound yet
 * @returns call it when it has been bound; the server works as ever where it is not built as expected
 */
export function wideWindows(server: Server): () => void {
  const { commonServerOptions, http2Servers } = server as unknown as Inside;
  if (commonServerOptions?.settings === undefined || !(http2Servers instanceof Map)) return () => undefined;
  commonServerOptions.settings = {
    ...commonServerOptions.settings,
    initialWindowSize: WINDOW_BYTES,
    maxFrameSize: FRAME_BYTES,
  };
  return () => {
    for (const listening of http2Servers.keys())
      listening.on('session', (session) => session.setLocalWindowSize(WINDOW_BYTES));
  };
}
