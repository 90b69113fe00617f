import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import fastifyStatic from '@fastify/static';
import fastify, { type FastifyInstance } from 'fastify';
import { WebSocketServer } from 'ws';
import { MyelinError } from '../../core/errors.ts';
import { encodePicture, type Picture } from './camera-packet.ts';
import type { EventLog } from './event-log.ts';
import { LiveClient } from './live-client.ts';
import { refusal, SECURITY_HEADERS } from './loopback-guard.ts';
import {
  type ArmInfo,
  encodeMessage,
  MAX_CLIENT_MESSAGE_BYTES,
  type PageRequest,
  type Reply,
  type ServerMessage,
  type Telemetry,
  WIRE_VERSION,
} from './telemetry.ts';

export const LIVE_PATH = '/live';
export const MAX_CLIENTS = 32;
const TELEMETRY_PERIOD_MS = 40;
/** Pictures go out with every second telemetry message, 12.5 a second. */
const PICTURE_EVERY = 2;
const LOOPBACK_HOSTS = ['127.0.0.1', '::1', 'localhost'];
const PORTS_TRIED = 20;

/** What the page shows and acts on. `ArmTelemetry` is the real one. */
export interface PageSource {
  readonly segmentName: string;
  /** Changes whenever another control process takes over. Undefined while there is none. */
  armInfo(): ArmInfo | undefined;
  telemetry(malformed: number): Telemetry;
  /** Pictures that are newer than those of the last call. */
  pictures(): readonly Picture[];
  /** Sets request bits in the segment at once. */
  request(request: Exclude<PageRequest, 'quit'>): Pick<Reply, 'ok' | 'text'>;
}

export interface PageServerOptions {
  readonly source: PageSource;
  readonly events: EventLog;
  /** A loopback address. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Take the next free port when this one is in use. Default false. */
  readonly nextFreePort?: boolean;
  /** Folder of the built page. Without it (or when it is missing) only `/live` and `/healthz` answer. */
  readonly pageFolder?: string;
  /** Folder of the arm descriptions, served under `/models/`. */
  readonly modelsFolder?: string;
  /** Told of every request after it was carried out; `quit` is its alone. */
  readonly onControl?: (request: PageRequest) => void;
  /** Whether `onControl` can end the whole system. Default false. */
  readonly canQuit?: boolean;
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
  const port = await listen(app, host, options.port, options.nextFreePort === true ? PORTS_TRIED : 1);
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
  app.get(LIVE_PATH, async (_request, reply) => reply.code(426).send({ error: 'This is a WebSocket' }));
  const present = (folder: string | undefined): folder is string =>
    folder !== undefined && isAbsolute(folder) && existsSync(folder);
  if (present(options.modelsFolder)) {
    await app.register(fastifyStatic, {
      root: options.modelsFolder,
      prefix: '/models/',
      index: false,
      decorateReply: false,
    });
  }
  if (present(options.pageFolder)) {
    // File names of the bundle carry a hash of their content; index.html does not.
    await app.register(fastifyStatic, {
      root: options.pageFolder,
      cacheControl: false,
      decorateReply: false,
    });
  } else {
    app.get('/', async (_request, reply) =>
      reply.code(503).type('text/plain').send('The page is not built yet. Run: npx vite build console\n'),
    );
  }
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
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const client = live.add(webSocket);
      webSocket.once('close', () => live.clients.delete(client));
    });
  });
  app.addHook('onClose', async () => sockets.close());
}

async function listen(app: FastifyInstance, host: string, port: number, tries: number): Promise<number> {
  for (let offset = 0; ; offset++) {
    try {
      await app.listen({ host, port: port === 0 ? 0 : port + offset });
      const address = app.server.address();
      return typeof address === 'object' && address !== null ? address.port : port;
    } catch (cause) {
      const inUse = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
      if (!inUse) throw cause;
      if (offset + 1 >= tries) {
        await app.close();
        throw new MyelinError('PORT_IN_USE', { port, host }, { cause });
      }
    }
  }
}

/** Sends everything to everybody at a steady rate, and turns requests into deeds. */
class LiveFeed {
  readonly clients = new Set<LiveClient>();
  malformed = 0;
  readonly #options: PageServerOptions;
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;
  #round = 0;
  #armInfo: ArmInfo | undefined;

  constructor(options: PageServerOptions) {
    this.#options = options;
    this.#unsubscribe = options.events.subscribe((event) => this.#toAll(event));
  }

  start(): void {
    this.#timer = setInterval(() => this.#send(), TELEMETRY_PERIOD_MS);
  }

  add(socket: ConstructorParameters<typeof LiveClient>[0]): LiveClient {
    const client = new LiveClient(socket, {
      onRequest: (request) => this.#request(request),
      onMalformed: () => {
        this.malformed += 1;
      },
    });
    this.clients.add(client);
    const { source, events, canQuit = false } = this.#options;
    client.send({ type: 'hello', wireVersion: WIRE_VERSION, segment: source.segmentName, canQuit });
    if (this.#armInfo !== undefined) client.send(this.#armInfo);
    for (const event of events.recent) client.send(event);
    return client;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
    for (const client of this.clients) client.close();
    this.clients.clear();
  }

  #request(request: PageRequest): Pick<Reply, 'ok' | 'text'> {
    const { source, onControl, canQuit = false } = this.#options;
    if (request === 'quit') {
      if (!canQuit) return { ok: false, text: 'This page was started on its own; there is nothing to end.' };
      onControl?.('quit');
      return { ok: true, text: 'Ending: the arm comes to rest first.' };
    }
    const outcome = source.request(request);
    onControl?.(request);
    return outcome;
  }

  #send(): void {
    const { source } = this.#options;
    // Also with nobody watching: the source notices deaths and changes of state, and logs them for later.
    const telemetry = source.telemetry(this.malformed);
    const info = source.armInfo();
    if (info !== undefined && info !== this.#armInfo) this.#toAll(info);
    this.#armInfo = info;
    this.#round += 1;
    if (this.clients.size === 0) return;
    const text = encodeMessage(telemetry);
    const pictures = this.#round % PICTURE_EVERY === 0 ? source.pictures().map(encodePicture) : [];
    for (const client of this.clients) {
      client.sendIfKeepingUp(text);
      for (const picture of pictures) client.sendIfKeepingUp(picture);
    }
  }

  #toAll(message: ServerMessage): void {
    for (const client of this.clients) client.send(message);
  }
}
