import { randomUUID } from 'node:crypto';
import type { Authenticator, Identity } from '../auth/authenticator.ts';
import type { Asker } from './command-desk.ts';
import type { Contender, OperatorLease } from './operator-lease.ts';

/** Pages are counted by themselves. */
export const MOST_SESSIONS = 64;
/** A connection that has been silent for this long is closed: it is gone, or as good as. */
export const SILENT_MS = 10_000;
/** How often sessions and the lease are looked at. */
const LOOK_MS = 100;
/** Requests of one connection under way at most. */
export const MOST_REQUESTS = 256;

/** What a protocol gives of a connection. */
export interface Wire {
  readonly protocol: string;
  /** Bytes received so far: a long upload is a sign of life before it is complete. */
  received(): number;
  /** Nobody asks it for signs of life, so its silence means nothing. Default false. */
  readonly mayBeSilent?: boolean;
  /** Ends the connection, saying why. */
  end(reason: string): void;
}

/** One client that is connected, whatever protocol it speaks. */
export class Session implements Contender {
  readonly id = randomUUID();
  readonly identity: Identity;
  readonly wire: Wire;
  /** Whether it holds no lease unless it asks for it. */
  readonly watch: boolean;
  /** Requests that are not answered yet. */
  open = 0;
  #heardMs: number;
  #received = 0;

  constructor(identity: Identity, wire: Wire, nowMs: number, watch: boolean) {
    this.watch = watch;
    this.identity = identity;
    this.wire = wire;
    this.#heardMs = nowMs;
  }

  get protocol(): string {
    return this.wire.protocol;
  }

  get asker(): Asker {
    return { identity: this.identity, protocol: this.protocol, contender: this, watch: this.watch };
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** How long nothing came from it, ms. */
  silentMs(nowMs: number): number {
    const received = this.wire.received();
    if (received !== this.#received) {
      this.#received = received;
      this.#heardMs = nowMs;
    }
    return nowMs - this.#heardMs;
  }
}

export interface SessionsOptions {
  readonly lease: OperatorLease;
  readonly authenticator: Authenticator;
  readonly nowMs: () => number;
}

/** All connections; notices those that fall silent and those whose token was revoked. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Set<Session>();
  readonly #timer: NodeJS.Timeout;
  #looks = 0;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  get size(): number {
    return this.#sessions.size;
  }

  get full(): boolean {
    return this.#sessions.size - this.count('page') >= MOST_SESSIONS;
  }

  count(protocol: string): number {
    return [...this.#sessions].filter((session) => session.protocol === protocol).length;
  }

  /** Adds a connection, which becomes the operator if it may and nobody else is; not one that only watches. */
  add(identity: Identity, wire: Wire, { watch = false }: { readonly watch?: boolean } = {}): Session {
    const { lease, nowMs } = this.#options;
    const session = new Session(identity, wire, nowMs(), watch);
    this.#sessions.add(session);
    if (!watch) lease.offer(session);
    return session;
  }

  /** It gave a sign of life. */
  heard(session: Session): void {
    session.heard(this.#options.nowMs());
    this.#options.lease.heard(session.id);
  }

  remove(session: Session): void {
    if (this.#sessions.delete(session)) this.#options.lease.release('disconnected', session.id);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const session of this.#sessions) session.wire.end('The gateway ends');
    this.#sessions.clear();
  }

  #look(): void {
    const { lease, authenticator, nowMs } = this.#options;
    const now = nowMs();
    this.#looks += 1;
    for (const session of [...this.#sessions]) {
      const silentMs = session.silentMs(now);
      if (silentMs === 0) lease.heard(session.id);
      if (silentMs > SILENT_MS && session.wire.mayBeSilent !== true)
        session.wire.end('Nothing was heard of this client');
      else if (this.#looks % 5 === 0 && !authenticator.stillValid(session.identity))
        session.wire.end('The token was revoked');
    }
    lease.check();
  }
}
