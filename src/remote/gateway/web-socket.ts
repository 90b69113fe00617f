import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket, WebSocketServer } from 'ws';
import { MyelinError } from '../../core/errors.ts';
import type { Identity } from '../auth/authenticator.ts';
import { type Answer, failure, success } from '../protocol/answer.ts';
import { type WebSocketRequest, webSocketRequestSchema } from '../protocol/requests.ts';
import { type CommandDesk, parseRequest } from './command-desk.ts';
import { divertingServer } from './diverting-web-socket.ts';
import { liftedText } from './lift-base64.ts';
import type { LiftedUploads } from './lifted-uploads.ts';
import { MOST_REQUESTS, type Session, type Sessions } from './sessions.ts';
import { writeTogether } from './write-together.ts';

export const WEBSOCKET_PATH = '/ws';
const PING_MS = 500;
const SLACK = 1 << 20;
const SKIP_BYTES = 4 << 20;
const DROP_BYTES = 64 << 20;

export interface WebSocketOptions {
  readonly sessions: Sessions;
  readonly desk: CommandDesk;
  readonly lifted: LiftedUploads;
  readonly maxMessageBytes: number;
  readonly onDropped: () => void;
}

/** WebSocket at `/ws`: one JSON message a frame; `process` is answered at once, and its result follows. */
export class WebSocketGate {
  readonly #options: WebSocketOptions;
  readonly #sockets: WebSocketServer;
  readonly #clients = new Set<WebSocket>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#sockets = divertingServer(
      {
        noServer: true,
        maxPayload: options.maxMessageBytes + SLACK,
        perMessageDeflate: false,
        handleProtocols: (offered) => (offered.has('myelin') ? 'myelin' : false),
      },
      options.lifted,
    );
    this.#timer = setInterval(() => {
      for (const client of this.#clients) if (client.readyState === client.OPEN) client.ping();
    }, PING_MS);
  }

  /** Takes over a connection of somebody who may. */
  accept(identity: Identity, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const watch = /[?&]watch=(true|1)(&|$)/.test(request.url ?? '');
    this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#serve(identity, opened, watch));
  }

  /** An event that user code pushed, to everybody. */
  push(event: string, data: unknown): void {
    const text = JSON.stringify({ status: 'callback', message: event, event, data });
    for (const client of this.#clients) {
      if (client.bufferedAmount > DROP_BYTES) client.terminate();
      if (client.bufferedAmount > SKIP_BYTES) this.#options.onDropped();
      else client.send(text, () => undefined);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const client of this.#clients) {
      client.close(1001, 'The gateway ends');
      client.terminate();
    }
    this.#sockets.close();
  }

  #serve(identity: Identity, socket: WebSocket, watch: boolean): void {
    const { sessions } = this.#options;
    const wire = {
      protocol: 'websocket',
      received: () => (socket as unknown as { _socket?: { bytesRead?: number } })._socket?.bytesRead ?? 0,
      end: (reason: string) => {
        socket.close(1008, reason);
        socket.terminate();
      },
    };
    const session = sessions.add(identity, wire, { watch });
    this.#clients.add(socket);
    socket.on('pong', () => sessions.heard(session));
    socket.on('error', () => undefined); // `ws` closes the connection itself, with a code that says why.
    socket.once('close', () => {
      this.#clients.delete(socket);
      sessions.remove(session);
    });
    socket.on('message', (data) => {
      sessions.heard(session);
      const send = (answer: Answer) => {
        if (socket.bufferedAmount > DROP_BYTES) socket.terminate();
        else if (socket.readyState === socket.OPEN) {
          writeTogether(socket);
          socket.send(JSON.stringify(answer), () => undefined);
        }
      };
      void this.#take(session, data, send);
    });
  }

  async #take(session: Session, data: RawData, send: (answer: Answer) => void): Promise<void> {
    const { desk, lifted } = this.#options;
    const buffer = Buffer.isBuffer(data)
      ? data
      : Array.isArray(data)
        ? Buffer.concat(data)
        : Buffer.from(data);
    const value = parseJson(buffer.toString());
    const id = idOf(value);
    const answer = (answered: Answer) => send(id === undefined ? answered : { ...answered, id });
    if (session.open >= MOST_REQUESTS) {
      const isStop =
        typeof value === 'object' && value !== null && 'command' in value && value.command === 'stop';
      if (!isStop) return answer(failure(new MyelinError('QUEUE_FULL', { waiting: session.open })));
    }
    session.open += 1;
    try {
      if (value === undefined) {
        const advice = 'Send one JSON object a message, such as {"command":"start"}.';
        throw new MyelinError('REQUEST_INVALID', { detail: 'the message is not JSON', advice });
      }
      const isUpdate =
        typeof value === 'object' && value !== null && 'command' in value && value.command === 'update';
      const request = parseRequest(webSocketRequestSchema, isUpdate ? value : lifted.restored(value));
      await carryOut(session, desk, request, lifted, answer);
    } catch (thrown) {
      answer(await desk.answer(session.asker, 'invalid', () => Promise.reject(thrown)));
    } finally {
      session.open -= 1;
    }
  }
}

async function carryOut(
  { asker }: Session,
  desk: CommandDesk,
  request: WebSocketRequest,
  lifted: LiftedUploads,
  answer: (answer: Answer) => void,
): Promise<void> {
  switch (request.command) {
    case 'stop':
      return answer(desk.stop(asker));
    case 'update': {
      const { data, zip_data, project } = request;
      if ((data === undefined) === (zip_data === undefined)) {
        const detail = 'give the base64 of one ZIP archive as `data` (or `zip_data`)';
        throw new MyelinError('REQUEST_INVALID', { detail, advice: 'See docs/protocols/remote.md.' });
      }
      const text = data ?? zip_data ?? '';
      return answer(await desk.update(asker, lifted.take(text) ?? liftedText(text), project));
    }
    case 'start':
      return answer(await desk.start(asker, request.project));
    case 'operator':
      return answer(await desk.operator(asker, request.action));
    case 'process': {
      let acknowledged = false;
      const result = await desk.process(asker, request.params, () => {
        acknowledged = true;
        answer(success('The call has begun; its result follows'));
      });
      if (acknowledged) return answer({ ...result, status: 'callback' });
      if (result.status === 'error') return answer(result);
      // The worker had its result at once: still first the answer, then the result.
      answer(success('The call has begun; its result follows'));
      return answer({ ...result, status: 'callback' });
    }
  }
}

/** Undefined, which JSON cannot say, for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function idOf(value: unknown): string | number | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined;
  const { id } = value;
  return typeof id === 'number' || (typeof id === 'string' && id.length <= 200) ? id : undefined;
}
