import type { CanBus, CanBusStats, CanFrame } from '../buses/can.ts';
import { type BusHost, ERROR_BUS_OFF, ERROR_RESTARTED } from './bus/simulated-bus.ts';
import type { World } from './world.ts';

const ERROR_FRAME = 0x20000000;

/**
 * Joins a driver to a world in the same process: no socket, no waiting, time passes only when the world is stepped.
 * So a controller and its arm run as fast as the machine can, and always the same way.
 */
export class LockstepBus implements CanBus {
  readonly name: string;
  readonly #world: World;
  readonly #host: BusHost;
  readonly #stats: CanBusStats = { sent: 0, received: 0, dropped: 0, errors: 0, busOff: false };

  constructor(world: World, name = 'world:lockstep') {
    this.name = name;
    this.#world = world;
    this.#host = world.bus.attach();
  }

  get stats(): Readonly<CanBusStats> {
    return this.#stats;
  }

  send(id: number, data: Uint8Array, length: number): boolean {
    const taken = this.#host.outbox.push(id, data, length, this.#world.nowNs);
    if (taken) this.#stats.sent += 1;
    else this.#stats.dropped += 1;
    return taken;
  }

  receive(frame: CanFrame): boolean {
    const { inbox } = this.#host;
    while (inbox.count > 0) {
      const { id, length, data } = inbox;
      inbox.pop();
      if (id >= ERROR_FRAME) {
        this.#stats.errors += 1;
        if (id === ERROR_BUS_OFF) this.#stats.busOff = true;
        if (id === ERROR_RESTARTED) this.#stats.busOff = false;
        continue;
      }
      frame.id = id;
      frame.length = length;
      frame.data.set(data);
      this.#stats.received += 1;
      return true;
    }
    return false;
  }

  close(): void {
    this.#world.bus.detach(this.#host);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
