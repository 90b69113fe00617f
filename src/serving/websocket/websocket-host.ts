import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { checkListen, type ListenOptions, LOOPBACK, listenError, tokenFits } from '../engine/listen.ts';
import { MessageMemory } from '../message-memory.ts';
import { receiveInto } from './large-messages.ts';

export interface WebSocketHostOptions extends ListenOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** Bytes a message may have. Default 64 MiB. */
  readonly maxMessageBytes?: number;
  /** Clients at once; more are answered 503. Default 64. */
  readonly maxClients?: number;
  /** Web pages that may connect, as `https://example.org`. Default: none; programs send no origin and may. */
  readonly origins?: readonly string[];
  /** `memory` takes messages back that nobody looks at any more; giving none back is right too, and slower. */
  readonly onClient: (socket: WebSocket, request: IncomingMessage, memory: MessageMemory) => void;
}

/** A running WebSocket server. */
export interface WebSocketHost extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly clients: number;
  /** Ends every connection (1001) and stops listening. Idempotent. */
  close(): Promise<void>;
}

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const MAX_CLIENTS = 64;
/** Clients that answer pings only while they wait for a reply must live through a chunk's execution. */
const PING_MS = 30_000;
const PINGS_MISSED = 4;
const CLOSE_MS = 1000;

/**
 * Listens for WebSocket clients of one protocol: who may connect, health, liveness, limits. No compression: pictures
 * do not shrink, and stock clients switch it off.
 * @throws MyelinError LISTEN_UNSAFE, PORT_IN_USE, ADDRESS_UNUSABLE
 */
export async function startWebSocketHost(options: WebSocketHostOptions): Promise<WebSocketHost> {
  checkListen(options);
  const { host = LOOPBACK, tls, maxClients = MAX_CLIENTS, onClient } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
  });
  const memory = new MessageMemory();
  const server =
    tls === undefined
      ? createServer(answerHttp)
      : createTlsServer({ cert: tls.certificate, key: tls.key }, answerHttp);
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => stream.destroy());
    const refused = refusal(options, request) ?? (sockets.clients.size < maxClients ? undefined : FULL);
    if (refused !== undefined) return refuse(stream, refused);
    sockets.handleUpgrade(request, stream, head, (socket) => {
      receiveInto(socket, memory);
      watch(socket);
      onClient(socket, request, memory);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, options.port)));
    server.listen(options.port, host, resolve);
  });
  const close = async () => {
    for (const socket of sockets.clients) socket.close(1001, 'the server stops');
    const ended = new Promise<void>((resolve) => server.close(() => resolve()));
    const slow = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
    }, CLOSE_MS);
    await ended;
    clearTimeout(slow);
  };
  let closing: Promise<void> | undefined;
  return {
    host,
    port: (server.address() as AddressInfo).port,
    get clients() {
      return sockets.clients.size;
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => (closing ??= close()),
  };
}

const FULL = '503 Service Unavailable';

function refusal(
  { token, origins = [] }: WebSocketHostOptions,
  { headers }: IncomingMessage,
): string | undefined {
  // A browser tells which page asks; a page from elsewhere may not use a server on the user's machine.
  if (headers.origin !== undefined && !origins.includes(headers.origin)) return '403 Forbidden';
  return tokenFits(credential(headers.authorization), token) ? undefined : '401 Unauthorized';
}

/** The key of `Api-Key KEY`, as openpi's client sends it, or `Bearer KEY`. */
const credential = (header: string | undefined): string | undefined =>
  /^(?:Api-Key|Bearer)\s+(\S+)\s*$/i.exec(header ?? '')?.[1];

const REASONS: Readonly<Record<string, string>> = {
  '401': 'Give the token the server was started with, as: Authorization: Api-Key TOKEN',
  '403': 'Web pages may not connect here unless the server was told so.',
  '503': 'Too many clients are connected.',
};

function refuse(stream: Duplex, status: string): void {
  const body = `${REASONS[status.slice(0, 3)] ?? status}\n`;
  stream.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function answerHttp(request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const send = (status: number, type: string, body: string) =>
    response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(body);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    send(405, 'text/plain', 'Only GET is answered.\n');
  else if (path === '/healthz' || path === '/health') send(200, 'text/plain', 'OK\n');
  else send(426, 'text/plain', 'Connect with a WebSocket, or GET /healthz.\n');
}

/** Pings a client, and lets go of one that is no longer there. */
function watch(socket: WebSocket): void {
  let missed = 0;
  const timer = setInterval(() => {
    missed += 1;
    if (missed > PINGS_MISSED) socket.terminate();
    else socket.ping();
  }, PING_MS);
  const alive = () => {
    missed = 0;
  };
  socket.on('pong', alive).on('message', alive);
  // What breaks a connection also closes it; there is nobody to tell.
  socket.on('error', () => undefined);
  socket.on('close', () => clearInterval(timer));
}
