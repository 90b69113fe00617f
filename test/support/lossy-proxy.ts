import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { seededRandom } from '../../src/world/random.ts';

/** A bad network, one way. Both ways are alike. */
export interface Weather {
  /** Time under way, ms. */
  readonly delayMs: number;
  /** That much more or less, evenly, ms. */
  readonly jitterMs: number;
  /** Share of segments that are lost, 0 to 1: TCP sends them again, and all that follow wait. */
  readonly loss: number;
  /** How long a lost segment holds up what follows, ms. Linux waits 200 ms at least before it sends one again. */
  readonly stallMs: number;
}

export const CALM: Weather = { delayMs: 0, jitterMs: 0, loss: 0, stallMs: 0 };
/** 80 ms +- 20 ms with 2 % loss. */
export const BAD: Weather = { delayMs: 80, jitterMs: 20, loss: 0.02, stallMs: 200 };

/** Bytes of a burst that are lost or arrive together: what one acknowledgement covers, not one packet. */
const BURST_BYTES = 64 * 1024;

/**
 * A TCP proxy on loopback whose network is as bad as it is told: bytes arrive late but in order, stalls stand for
 * segments that had to be sent again, connections can be reset. What the weather does is drawn from a seed.
 */
export class LossyProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: number;
  readonly #random: () => number;
  readonly #sockets = new Set<Socket>();
  #weather: Weather;
  /** Segments that were held up so far. */
  stalls = 0;
  connections = 0;

  private constructor(target: number, weather: Weather, seed: number) {
    this.#target = target;
    this.#weather = weather;
    this.#random = seededRandom(seed);
    this.#server = createServer((client) => this.#join(client));
  }

  /** Listens on a free port of loopback and passes on to `target` there. */
  static async start(target: number, weather: Weather = CALM, seed = 1): Promise<LossyProxy> {
    const proxy = new LossyProxy(target, weather, seed);
    await new Promise<void>((ready, fail) => {
      proxy.#server.once('error', fail).listen(0, '127.0.0.1', ready);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on. */
  set weather(weather: Weather) {
    this.#weather = weather;
  }

  /** Resets every connection, as a router that forgot them does. New ones are welcome. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(client: Socket): void {
    this.connections += 1;
    const server = new Socket();
    server.connect(this.#target, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket.setNoDelay(true));
      socket.once('close', () => this.#sockets.delete(socket));
      // What breaks one side breaks the other: that is told by 'close'.
      socket.on('error', () => undefined);
    }
    this.#carry(client, server);
    this.#carry(server, client);
  }

  /** One way: what arrives is due after a delay, and never before what was sent earlier. */
  #carry(from: Socket, to: Socket): void {
    // One timer for the oldest only: timers of their own, rounded to milliseconds, could overtake each other.
    const underWay: { readonly dueMs: number; readonly deliver: () => void }[] = [];
    let timer: NodeJS.Timeout | undefined;
    let lastDueMs = 0;
    const arrive = (): void => {
      timer = undefined;
      for (;;) {
        const next = underWay[0];
        if (next === undefined) return;
        const leftMs = next.dueMs - performance.now();
        if (leftMs > 0) {
          timer = setTimeout(arrive, leftMs);
          return;
        }
        underWay.shift();
        next.deliver();
      }
    };
    const send = (latenessMs: number, deliver: () => void): void => {
      lastDueMs = Math.max(lastDueMs, performance.now() + latenessMs);
      underWay.push({ dueMs: lastDueMs, deliver });
      if (timer === undefined) arrive();
    };
    const lose = (): void => {
      clearTimeout(timer);
      underWay.length = 0;
    };
    from.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += BURST_BYTES) {
        const burst = bytes.subarray(at, at + BURST_BYTES);
        send(this.#lateness(), () => to.write(burst));
      }
    });
    from.on('end', () => send(0, () => to.end()));
    from.on('close', (broken) => {
      if (!broken && from.readableEnded) return;
      lose();
      to.resetAndDestroy();
    });
    to.on('close', () => {
      lose();
      from.destroy();
    });
  }

  #lateness(): number {
    const { delayMs, jitterMs, loss, stallMs } = this.#weather;
    const lost = this.#random() < loss;
    if (lost) this.stalls += 1;
    return delayMs + (2 * this.#random() - 1) * jitterMs + (lost ? stallMs : 0);
  }
}
