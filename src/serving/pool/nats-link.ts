import { readFile } from 'node:fs/promises';
import type { ConnectionOptions, Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { MyelinError } from '../../core/errors.ts';
import { toFrames } from './frame.ts';
import { type NatsAddress, parseNatsAddress } from './nats-address.ts';

export interface NatsOptions {
  /** `nats://[user:password@]host[:port]`, several separated by commas; `tls://` encrypts. */
  readonly url: string;
  /** File with a user's JWT and NKey seed, as `nsc` writes it. */
  readonly credentialsFile?: string | undefined;
  /** PEM file of the authority that signed the server's certificate. Default: the system's. */
  readonly caFile?: string | undefined;
  /** Time for the first connection, ms. Default 5000. Later ones are tried again without end. */
  readonly connectTimeoutMs?: number | undefined;
}

/** What happens to the connection. */
export interface LinkEvents {
  readonly onLost?: () => void;
  readonly onBack?: () => void;
  /** It is over: closed here, or for good by the server. */
  readonly onClosed?: (reason: string) => void;
}

const RECONNECT_MS = 200;
/** A connection whose other end vanished without a word is noticed after two of these. */
const PING_MS = 2000;
const NO_RESPONDERS = 503;

/** A message, and where its answer goes. Without data: nobody listens there. */
export interface Heard {
  readonly subject: string;
  readonly data: Uint8Array | undefined;
  readonly reply: string | undefined;
}

/** A connection to a NATS server, made again by itself when it breaks. */
export class NatsLink {
  /** The server's address, without secrets. */
  readonly shown: string;
  readonly #connection: NatsConnection;
  readonly #events: LinkEvents;
  #connected = true;
  #lostReason = '';

  constructor(connection: NatsConnection, shown: string, events: LinkEvents) {
    this.#connection = connection;
    this.shown = shown;
    this.#events = events;
    void this.#follow();
    void connection.closed().then((fault) => {
      this.#connected = false;
      this.#lostReason = fault instanceof Error ? fault.message : 'it was closed';
      events.onClosed?.(this.#lostReason);
    });
  }

  get connected(): boolean {
    return this.#connected && !this.#connection.isClosed();
  }

  /** Why there is no connection, for people. */
  get unreachable(): MyelinError {
    const reason = this.#lostReason || 'the connection is lost';
    return new MyelinError('POOL_UNREACHABLE', { url: this.shown, reason });
  }

  /** Listens. What the listener throws is its own affair: it must not throw. */
  listen(subject: string, hear: (message: Heard) => void, queue?: string): Subscription {
    return this.#connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (fault: Error | null, message: Msg) => {
        if (fault === null) hear(heard(message));
      },
    });
  }

  /** Sends a message in as many frames as it takes. Without a connection it is lost: senders have deadlines. */
  send(subject: string, message: Uint8Array, reply?: string): void {
    if (!this.connected) return;
    const maxPayload = this.#connection.info?.max_payload ?? 1024 * 1024;
    for (const frame of toFrames(message, maxPayload))
      this.#connection.publish(subject, frame, reply === undefined ? {} : { reply });
  }

  /** Resolves when the server has everything sent before. */
  async flush(): Promise<void> {
    if (this.connected) await this.#connection.flush();
  }

  /** Sends what is under way, then closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#connection.isClosed()) return;
    if (this.connected) await this.#connection.flush().catch(() => undefined);
    await this.#connection.close();
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect' && this.#connected) {
        this.#connected = false;
        this.#events.onLost?.();
      }
      if (type === 'reconnect' && !this.#connected) {
        this.#connected = true;
        this.#events.onBack?.();
      }
    }
  }
}

const heard = ({ subject, data, reply, headers }: Msg): Heard => ({
  subject,
  reply,
  data: data.length === 0 && headers?.code === NO_RESPONDERS ? undefined : data,
});

/**
 * Connects to a NATS server. The library is loaded here and nowhere else, so that nothing of NATS is when no pool is
 * asked for.
 * @param name who we are, for the server's operator
 * @throws MyelinError POOL_UNREACHABLE, POOL_REFUSED, INVALID_ARGUMENT, FILE_NOT_FOUND
 */
export async function connectNats(
  options: NatsOptions,
  name: string,
  events: LinkEvents = {},
): Promise<NatsLink> {
  const address = parseNatsAddress(options.url);
  const library = await import('@nats-io/transport-node');
  const { credentialsFile, caFile, connectTimeoutMs = 5000 } = options;
  const settings: ConnectionOptions = {
    servers: [...address.servers],
    name,
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    reconnectJitter: RECONNECT_MS / 2,
    reconnectJitterTLS: RECONNECT_MS / 2,
    pingInterval: PING_MS,
    // Credentials that are changed while we run may be changed back.
    ignoreAuthErrorAbort: true,
    ...(address.user === undefined ? {} : { user: address.user, pass: address.password ?? '' }),
    ...(address.token === undefined ? {} : { token: address.token }),
    ...(address.tls || caFile !== undefined ? { tls: caFile === undefined ? {} : { caFile } } : {}),
    ...(credentialsFile === undefined
      ? {}
      : { authenticator: library.credsAuthenticator(await readCredentials(credentialsFile)) }),
  };
  try {
    return new NatsLink(await library.connect(settings), address.shown, events);
  } catch (thrown) {
    throw connectError(thrown, address);
  }
}

async function readCredentials(file: string): Promise<Uint8Array> {
  return readFile(file).catch((cause: unknown) => {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  });
}

/** Told by the error's class name: the classes themselves are the library's, which may not be loaded. */
function connectError(thrown: unknown, { shown }: NatsAddress): MyelinError {
  const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  const refused = name === 'AuthorizationError' || name === 'UserAuthenticationExpiredError';
  const code = refused ? 'POOL_REFUSED' : 'POOL_UNREACHABLE';
  return new MyelinError(code, { url: shown, reason: message }, { cause: thrown });
}
