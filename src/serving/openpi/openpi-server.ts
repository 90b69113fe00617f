import type { Engine } from '../engine/engine.ts';
import type { ListenOptions } from '../engine/listen.ts';
import { startWebSocketHost, type WebSocketHost } from '../websocket/websocket-host.ts';
import type { ServerDialect } from './dialects/server-dialect.ts';
import { sglangServer } from './dialects/sglang-server.ts';
import { stockServer } from './dialects/stock-server.ts';
import { vllmOmniServer } from './dialects/vllm-omni-server.ts';
import { EXTENSION_HEADER } from './extension.ts';
import { OpenpiConnection } from './openpi-connection.ts';
import { robotNamed } from './robot-keys.ts';
import { type WireMap, wireMap } from './wire-value.ts';

export interface OpenpiServerOptions extends ListenOptions {
  /** Default 8001; 0 takes any free port. */
  readonly port?: number;
  /** Which robot's keys requests have. Default: told by the keys of each. */
  readonly robot?: string | undefined;
  /** A client's camera name to the policy's: `{ image: 'front' }`. */
  readonly cameras?: Readonly<Record<string, string>>;
  /** The task of requests without a prompt. */
  readonly defaultPrompt?: string;
  /** Sent first to clients of the stock dialect, for example `{ reset_pose: [...] }`. Default: empty. */
  readonly metadata?: WireMap;
  readonly maxMessageBytes?: number;
  readonly maxClients?: number;
  readonly origins?: readonly string[];
  /** Something people should know. Default: nobody is told. */
  readonly onEvent?: (text: string) => void;
}

export const OPENPI_PORT = 8001;

const DIALECTS: ReadonlyMap<string, ServerDialect> = new Map([
  ['/openpi/policy', sglangServer],
  ['/v1/realtime/robot/openpi', vllmOmniServer],
]);

/**
 * Serves the engine's policy to openpi clients, in the dialect of the path they ask for: `/openpi/policy` as SGLang,
 * `/v1/realtime/robot/openpi` as vLLM-Omni, any other as openpi's own server.
 * @throws MyelinError LISTEN_UNSAFE, PORT_IN_USE, ADDRESS_UNUSABLE, INVALID_ARGUMENT
 * @example
 * await using server = await startOpenpiServer(engine, { port: 8001 });
 */
export async function startOpenpiServer(
  engine: Engine,
  options: OpenpiServerOptions = {},
): Promise<WebSocketHost> {
  const {
    port = OPENPI_PORT,
    cameras,
    defaultPrompt,
    metadata = wireMap({}),
    onEvent = () => undefined,
  } = options;
  const robot = robotNamed(options.robot);
  return startWebSocketHost({
    ...options,
    port,
    onClient: (socket, request, memory) => {
      const client = `${request.socket.remoteAddress}:${request.socket.remotePort}`;
      const dialect = DIALECTS.get((request.url ?? '/').split('?')[0] ?? '/') ?? stockServer;
      onEvent(`${client} connected (${dialect.name})`);
      socket.on('close', () => onEvent(`${client} left`));
      new OpenpiConnection({
        socket,
        memory,
        dialect,
        openSession: async () => engine.session(await engine.open(), client),
        metadata,
        extended: request.headers[EXTENSION_HEADER] !== undefined,
        robot,
        cameras,
        defaultPrompt,
        nowNs: () => Number(process.hrtime.bigint()),
        onEvent: (text) => onEvent(`${client}: ${text}`),
      });
    },
  });
}
