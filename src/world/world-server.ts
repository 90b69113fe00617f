import { unlinkSync } from 'node:fs';
import { monotonicNs } from '../platform/clock.ts';
import { accept, closeFd, listen, Poller, receive, send } from '../platform/seqpacket.ts';
import { WorldSegment } from '../segment/world-segment.ts';
import type { BusHost } from './bus/simulated-bus.ts';
import { createCanRecord, isDataFrame, writeCanRecord } from './can-record.ts';
import type { World } from './world.ts';
import { answer } from './world-control.ts';
import { MAX_MESSAGE_BYTES } from './world-messages.ts';
import { worldPaths } from './world-paths.ts';
import { WorldPublisher } from './world-publisher.ts';

interface BusClient {
  readonly fd: number;
  readonly host: BusHost;
}

const PUBLISH_NS = 4e6;
/**
 * Waking up costs more than anything done awake, so what is due is done a little later in one go: frames up to this
 * much while more are to follow (the last of a burst leaves on time), physics in pairs of steps, or in fours while
 * nobody is on the bus. Each event still happens at its own exact time in the world.
 */
const BATCH_NS = 350_000;
const UNTIMED_BATCH_NS = 40_000;
const STEP_WAIT_NS = 1e6;
const ALONE_STEP_WAIT_NS = 3e6;
/** Most physics steps between two looks at the sockets. */
const STEPS_A_LOOK = 5;
/** Behind by more than this, the world lets time pass unsimulated rather than race after it. */
const SLIP_NS = 100e6;
const MAX_CLIENTS = 32;

/**
 * A world in real time behind its sockets. It blocks its thread in `ppoll` between physics steps and frames; call
 * {@link WorldServer.run} again and again and let the event loop have a turn in between, for signals.
 */
export class WorldServer {
  readonly #world: World;
  readonly #paths: { readonly can: string; readonly control: string };
  readonly #canListener: number;
  readonly #controlListener: number;
  readonly #segment: WorldSegment;
  readonly #publisher: WorldPublisher;
  readonly #poller = new Poller();
  readonly #record = createCanRecord();
  readonly #message = new Uint8Array(MAX_MESSAGE_BYTES);
  #busClients: BusClient[] = [];
  #controlClients: number[] = [];
  #ready = 0;
  #nextPublishNs = 0;
  #stepNs = 0;
  /** Monotonic time minus world time: grows when the world could not keep up. */
  #slipNs: number;
  #closed = false;

  /** @throws MyelinError ADDRESS_IN_USE, SEGMENT_IN_USE when this world already runs */
  constructor(world: World, name: string) {
    this.#world = world;
    this.#paths = worldPaths(name);
    this.#canListener = listen(this.#paths.can);
    this.#controlListener = listen(this.#paths.control);
    try {
      this.#segment = WorldSegment.create(name, { arm: world.arm });
    } catch (thrown) {
      this.#closeListeners();
      throw thrown;
    }
    this.#publisher = new WorldPublisher(world, this.#segment);
    this.#slipNs = monotonicNs() - world.nowNs;
    this.#watch();
    this.#publisher.publish(monotonicNs(), 0);
  }

  /** Runs the world for `durationNs` of real time. */
  run(durationNs: number): void {
    const endNs = monotonicNs() + durationNs;
    for (let nowNs = monotonicNs(); nowNs < endNs; nowNs = monotonicNs()) {
      this.#takeFrames(nowNs);
      const isBehind = this.#advance(nowNs);
      this.#giveFrames();
      if (this.#ready > 0) this.#serve();
      if (nowNs >= this.#nextPublishNs) this.#publish(nowNs);
      this.#ready = this.#poller.wait(isBehind ? 0 : this.#pauseNs(endNs));
    }
  }

  /** Ends the world: sockets and segment disappear. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { fd } of this.#busClients) closeFd(fd);
    for (const fd of this.#controlClients) closeFd(fd);
    this.#closeListeners();
    this.#segment.unlink();
    this.#segment.close();
    this.#world.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #closeListeners(): void {
    closeFd(this.#canListener);
    closeFd(this.#controlListener);
    for (const path of Object.values(this.#paths)) unlinkSync(path);
  }

  /** From now to the next thing worth waking for. */
  #pauseNs(endNs: number): number {
    const world = this.#world;
    const { bus } = world;
    const stepNs = world.nextStepNs + (this.#busClients.length > 0 ? STEP_WAIT_NS : ALONE_STEP_WAIT_NS);
    const batchNs = bus.isTimed ? BATCH_NS : UNTIMED_BATCH_NS;
    const frameNs = bus.nextEventNs + (bus.pending > 1 ? batchNs : 0);
    return Math.max(0, Math.min(stepNs, frameNs, endNs - this.#slipNs) + this.#slipNs - monotonicNs());
  }

  /** True when there are more steps to make at once. */
  #advance(nowNs: number): boolean {
    const world = this.#world;
    const behindNs = nowNs - this.#slipNs - world.nowNs;
    if (behindNs > SLIP_NS) this.#slipNs += behindNs;
    const goalNs = nowNs - this.#slipNs;
    const steps = world.advance(goalNs, STEPS_A_LOOK);
    if (steps > 0) this.#stepNs = (monotonicNs() - nowNs) / steps;
    return world.nowNs < goalNs;
  }

  #takeFrames(nowNs: number): void {
    if (this.#ready <= 0) return;
    const worldNs = Math.max(this.#world.nowNs, nowNs - this.#slipNs);
    let hasLeft = false;
    for (let i = 0; i < this.#busClients.length; i += 1) {
      if (!this.#poller.ready(2 + i)) continue;
      const client = this.#busClients[i]!;
      const { outbox } = client.host;
      // A full transmit queue leaves frames in the socket, whose sender then sees it full as well.
      while (outbox.count < outbox.capacity) {
        const bytes = receive(client.fd, this.#record.bytes);
        if (bytes === 0) break;
        if (bytes < 0) {
          this.#world.bus.detach(client.host);
          closeFd(client.fd);
          hasLeft = true;
          break;
        }
        if (isDataFrame(this.#record, bytes)) {
          outbox.push(this.#record.words[0]!, this.#record.data, this.#record.bytes[4]!, worldNs);
        }
      }
    }
    if (hasLeft) this.#forgetLeft();
  }

  #forgetLeft(): void {
    this.#busClients = this.#busClients.filter(({ host }) => !host.hasLeft);
    this.#ready = 0;
    this.#watch();
  }

  #giveFrames(): void {
    for (let i = 0; i < this.#busClients.length; i += 1) {
      const { fd, host } = this.#busClients[i]!;
      while (host.inbox.count > 0) {
        writeCanRecord(this.#record, host.inbox.id, host.inbox.data, host.inbox.length);
        // A client that does not read loses frames, as on a real bus; nobody waits for it.
        if (!send(fd, this.#record.bytes, this.#record.bytes.length)) host.overruns += 1;
        host.inbox.pop();
      }
    }
  }

  /** New connections, and requests on the control socket. */
  #serve(): void {
    const controlBase = 2 + this.#busClients.length;
    const left: number[] = [];
    for (let i = 0; i < this.#controlClients.length; i += 1) {
      if (this.#poller.ready(controlBase + i) && !this.#answer(this.#controlClients[i]!)) {
        left.push(this.#controlClients[i]!);
      }
    }
    const newBus = this.#poller.ready(0) ? accept(this.#canListener) : -1;
    const newControl = this.#poller.ready(1) ? accept(this.#controlListener) : -1;
    if (left.length === 0 && newBus < 0 && newControl < 0) return;
    for (const fd of left) closeFd(fd);
    this.#controlClients = this.#controlClients.filter((fd) => !left.includes(fd));
    if (newBus >= 0)
      this.#welcome(newBus, (fd) => this.#busClients.push({ fd, host: this.#world.bus.attach() }));
    if (newControl >= 0) this.#welcome(newControl, (fd) => this.#controlClients.push(fd));
    this.#watch();
  }

  #welcome(fd: number, join: (fd: number) => void): void {
    if (this.#busClients.length + this.#controlClients.length >= MAX_CLIENTS) closeFd(fd);
    else join(fd);
  }

  /** False when the client is gone. */
  #answer(fd: number): boolean {
    const bytes = receive(fd, this.#message);
    if (bytes <= 0) return bytes === 0;
    const reply = answer(this.#world, this.#message.subarray(0, bytes));
    return send(fd, reply, reply.length);
  }

  #publish(nowNs: number): void {
    this.#nextPublishNs = nowNs + PUBLISH_NS;
    this.#publisher.publish(nowNs, this.#stepNs);
  }

  #watch(): void {
    this.#poller.set([
      this.#canListener,
      this.#controlListener,
      ...this.#busClients.map(({ fd }) => fd),
      ...this.#controlClients,
    ]);
  }
}
