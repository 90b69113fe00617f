import type { Engine } from '../engine/engine.ts';
import type { ListenOptions } from '../engine/listen.ts';
import { EXTENSION_HEADER } from '../openpi/extension.ts';
import { startWebSocketHost, type WebSocketHost } from '../websocket/websocket-host.ts';
import { Pi05Connection } from './pi05-connection.ts';

export interface Pi05ServerOptions extends ListenOptions {
  /** Default 8765; 0 takes any free port. */
  readonly port?: number;
  /** A client's camera name to the policy's: `{ base_0_rgb: 'front' }`. */
  readonly cameras?: Readonly<Record<string, string>>;
  /** Makes up a random picture in place of one that cannot be decoded, and says so in the answer. Default false. */
  readonly allowRandomImages?: boolean;
  readonly maxMessageBytes?: number;
  readonly maxClients?: number;
  readonly origins?: readonly string[];
  /** Something people should know. Default: nobody is told. */
  readonly onEvent?: (text: string) => void;
}

export const PI05_PORT = 8765;

/**
 * Serves the engine's policy over the pi0.5 JSON WebSocket protocol.
 * @throws MyelinError LISTEN_UNSAFE, PORT_IN_USE, ADDRESS_UNUSABLE
 * @example
 * await using server = await startPi05Server(engine, { port: 8765 });
 */
export function startPi05Server(engine: Engine, options: Pi05ServerOptions = {}): Promise<WebSocketHost> {
  const { port = PI05_PORT, cameras, allowRandomImages, onEvent = () => undefined } = options;
  return startWebSocketHost({
    ...options,
    port,
    onClient: (socket, request) => {
      const client = `${request.socket.remoteAddress}:${request.socket.remotePort}`;
      onEvent(`${client} connected`);
      socket.on('close', () => onEvent(`${client} left`));
      new Pi05Connection({
        socket,
        openSession: async () => engine.session(await engine.open(), client),
        cameras,
        allowRandomImages,
        extended: request.headers[EXTENSION_HEADER] !== undefined,
        nowNs: () => Number(process.hrtime.bigint()),
        unixS: () => Date.now() / 1000,
        onEvent: (text) => onEvent(`${client}: ${text}`),
      });
    },
  });
}
