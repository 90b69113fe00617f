import type { Server } from 'node:http';
import { listenError } from '../../serving/engine/listen.ts';

const PORTS_TRIED = 20;

/** What fastify gives of itself here, whether it speaks HTTP or HTTPS. */
export interface Listening {
  listen(options: { host: string; port: number }): PromiseLike<string>;
  close(): PromiseLike<unknown>;
  readonly server: Pick<Server, 'address'>;
}

/**
 * Listens, and gives the port. 0 takes any.
 * @param nextFreePort take one of the next ports when this one is in use. Default false
 * @throws MyelinError PORT_IN_USE, ADDRESS_UNUSABLE; the app is closed then
 */
export async function listenAt(
  app: Listening,
  host: string,
  port: number,
  nextFreePort = false,
): Promise<number> {
  const tries = nextFreePort ? PORTS_TRIED : 1;
  for (let offset = 0; ; offset++) {
    try {
      await app.listen({ host, port: port === 0 ? 0 : port + offset });
      const address = app.server.address();
      return typeof address === 'object' && address !== null ? address.port : port;
    } catch (cause) {
      const error = listenError(cause, host, port);
      if (error.code === 'PORT_IN_USE' && offset + 1 < tries) continue;
      await app.close();
      throw error;
    }
  }
}
