import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { MyelinError, toMyelinError } from '../../core/errors.ts';
import type { Authenticator, Identity } from '../auth/authenticator.ts';
import type { CommandDesk } from './command-desk.ts';
import { httpStatus } from './http-status.ts';
import { LIVE_PATH, type LiveFeed, MAX_CLIENTS } from './live-feed.ts';
import type { Sessions } from './sessions.ts';
import { MAX_CLIENT_MESSAGE_BYTES, type PageRequest } from './telemetry.ts';
import { WEBSOCKET_PATH, type WebSocketGate } from './web-socket.ts';

export interface UpgradesOptions {
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
  readonly desk: CommandDesk;
  readonly live: LiveFeed;
  readonly webSocket: WebSocketGate;
  readonly secure: boolean;
}

/** Decides which requests for a WebSocket become one, and whose it is: a program's at `/ws` or a page's at `/live`. */
export class Upgrades implements Disposable {
  readonly #options: UpgradesOptions;
  readonly #pages = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_CLIENT_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has('myelin') ? 'myelin' : false),
  });

  constructor(options: UpgradesOptions) {
    this.#options = options;
  }

  take(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = request.url?.split('?')[0] ?? '';
    if (path.startsWith('/socket.io')) return; // Socket.IO's own.
    socket.on('error', () => socket.destroy());
    try {
      const identity = this.#admit(path, request);
      if (path === WEBSOCKET_PATH) this.#options.webSocket.accept(identity, request, socket, head);
      else
        this.#pages.handleUpgrade(request, socket, head, (page) =>
          this.#openPage(page, identity, () => request.socket.bytesRead),
        );
    } catch (thrown) {
      const { code, message, hint } = toMyelinError(thrown);
      refuse(socket, httpStatus({ status: 'error', message, code }), `${message}. ${hint}`);
    }
  }

  [Symbol.dispose](): void {
    this.#pages.close();
  }

  /** @throws MyelinError REQUEST_INVALID, SERVER_FULL, and what {@link Authenticator.identify} throws */
  #admit(path: string, { headers, socket }: IncomingMessage): Identity {
    const { authenticator, sessions, live, secure } = this.#options;
    if (path !== LIVE_PATH && path !== WEBSOCKET_PATH)
      throw new MyelinError('REQUEST_INVALID', {
        detail: `there is no ${path.slice(0, 80)}`,
        advice: `WebSockets are at ${WEBSOCKET_PATH} and ${LIVE_PATH}.`,
      });
    const full = path === LIVE_PATH ? live.clients.size >= MAX_CLIENTS : sessions.full;
    if (full) throw new MyelinError('SERVER_FULL', { clients: sessions.size });
    return authenticator.identify({ headers, address: socket.remoteAddress ?? '', secure });
  }

  /** A page watches until it takes the lease; its messages are its signs of life then. */
  #openPage(page: WebSocket, identity: Identity, received: () => number): void {
    const { sessions, live, desk } = this.#options;
    const end = (reason: string) => {
      page.close(1008, reason);
      page.terminate();
    };
    const wire = { protocol: 'page', received, end, mayBeSilent: true };
    const session = sessions.add(identity, wire, { watch: true });
    page.once('close', () => sessions.remove(session));
    live.add(page, {
      you: { session: session.id, name: identity.name, right: identity.right },
      refusing: (asked) => this.#pageRefusal(identity, asked),
      onHeard: () => sessions.heard(session),
      onOperator: async (action) => {
        const answer = await desk.operator(session.asker, DESK_ACTIONS[action]);
        if (answer.status === 'error') return { ok: false, text: `${answer.message}. ${answer.hint ?? ''}` };
        return {
          ok: true,
          text: action === 'give back' ? 'Given back: nobody operates.' : 'You operate now.',
        };
      },
    });
  }

  /** What a page may not ask for. Stop is everybody's, pause everybody's who may operate. */
  #pageRefusal(identity: Identity, asked: PageRequest): string | undefined {
    const { authenticator, desk } = this.#options;
    try {
      if (asked === 'stop') return undefined;
      if (asked === 'quit' && identity.tokenId !== undefined) authenticator.check(identity, 'admin');
      else if (asked === 'pause' || asked === 'quit') authenticator.check(identity, 'operate');
      else desk.allow({ identity, protocol: 'page' }, 'operate');
      return undefined;
    } catch (thrown) {
      const { message, hint } = toMyelinError(thrown);
      return `${message}. ${hint}`;
    }
  }
}

const DESK_ACTIONS = { take: 'claim', 'take over': 'take', 'give back': 'release' } as const;

const refuse = (socket: Duplex, status: number, text: string): void => {
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
};
