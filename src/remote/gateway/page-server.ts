import fastify, { type FastifyInstance } from 'fastify';
import { WebSocketServer } from 'ws';
import { MyelinError } from '../../core/errors.ts';
import { listenAt } from './listen-at.ts';
import { LIVE_PATH, LiveFeed, type LiveFeedOptions, MAX_CLIENTS } from './live-feed.ts';
import { refusal, SECURITY_HEADERS } from './loopback-guard.ts';
import { type PageFolders, registerPage } from './page-routes.ts';
import { MAX_CLIENT_MESSAGE_BYTES } from './telemetry.ts';

const LOOPBACK_HOSTS = ['127.0.0.1', '::1', 'localhost'];

export interface PageServerOptions extends LiveFeedOptions, PageFolders {
  /** A loopback address. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Take the next free port when this one is in use. Default false. */
  readonly nextFreePort?: boolean;
}

export interface PageServer {
  readonly url: string;
  readonly port: number;
  /** Malformed messages refused since start. */
  readonly malformed: number;
  readonly clients: number;
  /** Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves the page, the arm descriptions and the WebSocket `/live` to this machine only.
 * @throws MyelinError INVALID_ARGUMENT for an address that is not loopback, PORT_IN_USE
 */
export async function startPageServer(options: PageServerOptions): Promise<PageServer> {
  const host = options.host ?? '127.0.0.1';
  if (!LOOPBACK_HOSTS.includes(host)) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'the host of the page',
      value: host,
      allowed: `loopback (${LOOPBACK_HOSTS.join(', ')}): it needs no token, so nobody else may reach it`,
    });
  }
  const live = new LiveFeed(options);
  const app = await buildHttp(options, live);
  attachWebSocket(app, live);
  const port = await listenAt(app, host, options.port, options.nextFreePort);
  live.start();

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      live.close();
      await app.close();
    })();
    return closing;
  };
  return {
    url: `http://${host === '::1' ? '[::1]' : host}:${port}`,
    port,
    get malformed() {
      return live.malformed;
    },
    get clients() {
      return live.clients.size;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function buildHttp(options: PageServerOptions, live: LiveFeed): Promise<FastifyInstance> {
  const app = fastify({ logger: false, bodyLimit: 1024, forceCloseConnections: true });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    const why = refusal(request.headers);
    if (why !== undefined) await reply.code(403).send({ error: why });
  });
  app.get('/healthz', async () => ({ ok: true, clients: live.clients.size, malformed: live.malformed }));
  await registerPage(app, options);
  return app;
}

function attachWebSocket(app: FastifyInstance, live: LiveFeed): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_CLIENT_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  app.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const refuse = (status: string, text: string) =>
      socket.end(
        `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      );
    const why = refusal(request.headers);
    if (why !== undefined) return refuse('403 Forbidden', why);
    if (request.url?.split('?')[0] !== LIVE_PATH) return refuse('404 Not Found', `Only ${LIVE_PATH} is here`);
    if (live.clients.size >= MAX_CLIENTS) return refuse('503 Service Unavailable', 'Too many pages are open');
    sockets.handleUpgrade(request, socket, head, (webSocket) => live.add(webSocket));
  });
  app.addHook('onClose', async () => sockets.close());
}
