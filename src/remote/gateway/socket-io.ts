import type { Server as HttpServer } from 'node:http';
import { Server, type Socket } from 'socket.io';
import type { ServerOptions, WebSocket } from 'ws';
import { MyelinError } from '../../core/errors.ts';
import type { Authenticator, Identity } from '../auth/authenticator.ts';
import { type Answer, failure } from '../protocol/answer.ts';
import { type Notice, RESERVED_EVENTS } from '../protocol/notice.ts';
import {
  operatorPayloadSchema,
  processPayloadSchema,
  startPayloadSchema,
  updatePayloadSchema,
} from '../protocol/requests.ts';
import { type CommandDesk, parseRequest } from './command-desk.ts';
import { divertingServer } from './diverting-web-socket.ts';
import { type Lifted, liftedText } from './lift-base64.ts';
import type { LiftedUploads } from './lifted-uploads.ts';
import { LiftedBase64, liftingParser } from './lifting-parser.ts';
import { MOST_REQUESTS, type Session, type Sessions } from './sessions.ts';
import { writeTogether } from './write-together.ts';

export interface SocketIoOptions {
  readonly server: HttpServer;
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
  readonly desk: CommandDesk;
  readonly lifted: LiftedUploads;
  readonly secure: boolean;
  readonly allowedOrigins: readonly string[];
  readonly maxMessageBytes: number;
  /** First message to a client. */
  readonly welcome: (session: Session) => Notice;
  readonly onDropped: () => void;
  readonly onFault: (error: unknown) => void;
}

export interface SocketIoGate {
  /** An event that user code pushed, to everybody. */
  push(event: string, data: unknown): void;
  notice(notice: Notice): void;
  close(): Promise<void>;
}

/** A client is asked for a sign of life this often. */
const PING_MS = 500;
/** A message a little over the limit is answered, a longer one ends the connection. */
const SLACK = 1 << 20;
/** With so much unsent, pushes to a client are left out; with {@link DROP_BYTES} it is let go. */
const SKIP_BYTES = 4 << 20;
const DROP_BYTES = 64 << 20;
const SKIP_PACKETS = 10_000;

/** Socket.IO: the events `update`, `start`, `process` with their acknowledgements, and what user code pushes. */
export function attachSocketIo(options: SocketIoOptions): SocketIoGate {
  const { server, authenticator, sessions, secure, allowedOrigins, lifted } = options;
  const io = new Server({
    serveClient: false,
    // Nobody waits for the transport to notice that an operator is gone: see `Sessions`.
    pingInterval: PING_MS,
    pingTimeout: 20_000,
    connectTimeout: 5000,
    maxHttpBufferSize: options.maxMessageBytes + SLACK,
    perMessageDeflate: false,
    httpCompression: false,
    destroyUpgrade: false,
    cors: { origin: [...allowedOrigins] },
    parser: liftingParser(lifted),
    wsEngine: lifts(lifted),
    allowRequest: (request, decide) => {
      const refused = sessions.full
        ? new MyelinError('SERVER_FULL', { clients: sessions.count('socket.io') })
        : authenticator.originRefusal({ headers: request.headers, secure });
      decide(refused?.message ?? null, refused === undefined);
    },
  });
  io.use((socket, next) => {
    try {
      socket.data.identity = identify(socket, authenticator, secure);
      next();
    } catch (thrown) {
      const { message, code, hint } = failure(thrown);
      next(Object.assign(new Error(message), { data: { code, hint } }));
    }
  });
  io.on('connection', (socket) => serve(socket, options));
  io.attach(server);
  io.engine.on('connection_error', () => undefined);
  const sendable = (socket: Socket): boolean => {
    const unsent = backlog(socket);
    if (unsent.bytes > DROP_BYTES) socket.disconnect(true);
    else if (unsent.bytes <= SKIP_BYTES && unsent.packets <= SKIP_PACKETS) return true;
    options.onDropped();
    return false;
  };
  const toAll = (event: string, data: unknown) => {
    for (const socket of io.sockets.sockets.values()) if (sendable(socket)) socket.emit(event, data);
  };
  return {
    push: (event, data) => {
      if (RESERVED_EVENTS.includes(event)) options.onDropped();
      else toAll(event, data);
    },
    notice: (notice) => toAll('myelin', notice),
    close: async () => {
      io.disconnectSockets(true);
      io.engine.close();
      io.removeAllListeners();
    },
  };
}

/** engine.io makes its WebSocket server with `new`. */
const lifts = (lifted: LiftedUploads) =>
  function Engine(options: ServerOptions) {
    return divertingServer(options, lifted);
  };

function identify(socket: Socket, authenticator: Authenticator, secure: boolean): Identity {
  const { headers, address, auth } = socket.handshake;
  const given: unknown = auth?.token;
  return authenticator.identify({
    headers,
    address,
    secure,
    // Something that is no text is a wrong token, not none.
    token: given === undefined || given === null || given === '' ? undefined : String(given),
  });
}

/** The parts of engine.io's connection that say how a client keeps up. They are not in its types. */
interface Connection {
  readonly writeBuffer?: readonly unknown[];
  readonly transport?: {
    /** Of the transport WebSocket alone. */
    readonly socket?: WebSocket & { readonly _socket?: { readonly bytesRead?: number } };
  };
}
const connectionOf = (socket: Socket): Connection => socket.conn as unknown as Connection;

function backlog(socket: Socket): { bytes: number; packets: number } {
  const { writeBuffer, transport } = connectionOf(socket);
  return { bytes: transport?.socket?.bufferedAmount ?? 0, packets: writeBuffer?.length ?? 0 };
}

function serve(socket: Socket, options: SocketIoOptions): void {
  const { sessions, welcome, onFault } = options;
  const wire = {
    protocol: 'socket.io',
    received: () => connectionOf(socket).transport?.socket?._socket?.bytesRead ?? 0,
    end: () => socket.disconnect(true),
  };
  const session = sessions.add(socket.data.identity as Identity, wire, {
    watch: socket.handshake.auth?.watch === true,
  });
  socket.conn.on('packet', () => sessions.heard(session));
  socket.conn.on('flush', () => {
    const { transport } = connectionOf(socket);
    if (transport?.socket !== undefined) writeTogether(transport.socket);
  });
  socket.on('disconnect', () => sessions.remove(session));
  socket.on('error', onFault);
  socket.emit('myelin', welcome(session));
  socket.onAny((event: string, ...args: unknown[]) => {
    const last = args.at(-1);
    const reply = (answer: Answer) => {
      if (typeof last === 'function') last(answer);
      // Without an acknowledgement an answer has no other way.
      else socket.emit('callback', { ...answer, request: event.slice(0, 200) });
    };
    take(session, options, event, typeof args[0] === 'function' ? undefined : args[0]).then(reply, onFault);
  });
}

async function take(
  session: Session,
  { desk }: SocketIoOptions,
  event: string,
  payload: unknown,
): Promise<Answer> {
  if (event === 'stop') return desk.stop(session.asker);
  if (session.open >= MOST_REQUESTS) return failure(new MyelinError('QUEUE_FULL', { waiting: session.open }));
  session.open += 1;
  try {
    return await carryOut(session, desk, event, payload);
  } catch (thrown) {
    return await desk.answer(session.asker, 'invalid', () => Promise.reject(thrown));
  } finally {
    session.open -= 1;
  }
}

async function carryOut(
  session: Session,
  desk: CommandDesk,
  event: string,
  payload: unknown,
): Promise<Answer> {
  const { asker } = session;
  switch (event) {
    case 'update': {
      const { base64, rest } = withoutBase64(payload);
      const { data, zip_data, project } = parseRequest(updatePayloadSchema, rest);
      return await desk.update(asker, base64 ?? liftedText(data ?? zip_data ?? ''), project);
    }
    case 'start':
      return await desk.start(asker, parseRequest(startPayloadSchema, payload).project);
    case 'process':
      return await desk.process(asker, parseRequest(processPayloadSchema, payload).params);
    case 'operator':
      return await desk.operator(asker, parseRequest(operatorPayloadSchema, payload).action);
    default:
      throw new MyelinError('REQUEST_INVALID', {
        detail: `there is no event "${event.slice(0, 80)}"`,
        advice: 'Send update, start, process, stop or operator.',
      });
  }
}

/** The payload as its schema knows it, with an empty text where the base64 was lifted out. */
function withoutBase64(payload: unknown): { base64: Lifted | undefined; rest: unknown } {
  if (typeof payload !== 'object' || payload === null) return { base64: undefined, rest: payload };
  for (const [key, value] of Object.entries(payload))
    if (value instanceof LiftedBase64) return { base64: value, rest: { ...payload, [key]: '' } };
  return { base64: undefined, rest: payload };
}
