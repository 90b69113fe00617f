import { chmodSync } from 'node:fs';
import { XPublisher } from 'zeromq';
import type { Published } from '../protocol/ipc.ts';
import type { SocketFile } from './socket-file.ts';

/** Messages kept for a subscriber that reads slowly. */
const HIGH_WATER_MARK = 10_000;
/** Messages that wait here behind it. Beyond, everything but results is dropped. */
const MOST_WAITING = 2_000;
const MOST_WAITING_RESULTS = 10_000;
/** How long one message waits for room. */
const SEND_TIMEOUT_MS = 200;
const LINGER_MS = 500;

/** What anybody has subscribed to: what nobody hears need not be written. */
class Topics {
  readonly #prefixes = new Set<string>();

  /** A subscription as an XPUB gets it: 1 or 0, and the prefix. Each comes once, whoever else has it too. */
  take(message: Buffer): void {
    const prefix = message.toString('utf8', 1);
    if (message[0] === 1) this.#prefixes.add(prefix);
    else this.#prefixes.delete(prefix);
  }

  wants(type: Published['type']): boolean {
    const start = `{"type":"${type}"`;
    for (const prefix of this.#prefixes)
      if (prefix.startsWith(start) || start.startsWith(prefix)) return true;
    return false;
  }
}

/**
 * The PUB on which callbacks, pushes, log lines and the worker's sign of life go out. (An XPUB, which is the same to
 * its subscribers, but says when it has no room.) Overflow: the newest pushes and log lines are dropped and counted;
 * results are dropped last, and never the only way to learn a result for a peer that asks for `reply: "result"`.
 */
export class Publisher {
  readonly #socket: XPublisher;
  readonly #waiting: Published[] = [];
  readonly #topics = new Topics();
  #sending = false;
  #closed = false;
  #dropped = 0;
  #results = 0;

  private constructor(socket: XPublisher) {
    this.#socket = socket;
  }

  static async bind(file: SocketFile): Promise<Publisher> {
    const socket = new XPublisher({
      sendHighWaterMark: HIGH_WATER_MARK,
      sendTimeout: SEND_TIMEOUT_MS,
      linger: LINGER_MS,
    });
    socket.noDrop = true;
    await socket.bind(file.address);
    file.bound();
    chmodSync(file.path, 0o600);
    const publisher = new Publisher(socket);
    void publisher.#readSubscriptions();
    return publisher;
  }

  /** Messages dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  publish(message: Published): void {
    if (this.#closed || !this.#topics.wants(message.type)) return;
    const isResult = message.type === 'callback';
    const full = isResult ? this.#results >= MOST_WAITING_RESULTS : this.#waiting.length >= MOST_WAITING;
    if (full) {
      this.#dropped += 1;
      return;
    }
    if (isResult) this.#results += 1;
    this.#waiting.push(message);
    void this.#flush();
  }

  /** Sends what waits, and lets go of the socket. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#sending) await new Promise((resolve) => setImmediate(resolve));
    this.#socket.close();
  }

  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.type === 'callback') this.#results -= 1;
      try {
        await this.#socket.send(JSON.stringify(next));
      } catch {
        this.#dropped += 1; // No room for SEND_TIMEOUT_MS: a subscriber stands still.
      }
    }
    this.#sending = false;
  }

  /** Subscriptions arrive as messages. */
  async #readSubscriptions(): Promise<void> {
    try {
      for await (const [message] of this.#socket) if (message !== undefined) this.#topics.take(message);
    } catch (error) {
      if (!this.#closed) throw error;
    }
  }
}
