import { join } from 'node:path';
import { MyelinError } from '../core/errors.ts';
import { runtimeDir } from '../platform/process.ts';
import { closeFd, connect, receive, send } from '../platform/seqpacket.ts';
import type { CanBus, CanFrame } from './can.ts';
import { createRecord, createStats, packRecord, unpackRecord } from './frame-record.ts';

const MOST_RECORDS = 64;
const PEER_GONE = -1;

/** Path of the socket on which a simulated world is its CAN bus. */
export const worldBusPath = (world: string): string => join(runtimeDir(), `world-${world}.can`);

/** The CAN bus of a simulated world: the records of a CAN socket, on a local socket. */
export class WorldBus implements CanBus, Disposable {
  readonly name: string;
  readonly stats = createStats();
  readonly #record = createRecord();
  #fd: number;

  /** @param fd a connected record-keeping socket, which the bus then owns */
  constructor(name: string, fd: number) {
    this.name = name;
    this.#fd = fd;
  }

  /** @throws MyelinError WORLD_MISSING */
  static open(world: string): WorldBus {
    const fd = connect(worldBusPath(world));
    if (fd < 0) throw new MyelinError('WORLD_MISSING', { name: world });
    return new WorldBus(`world:${world}`, fd);
  }

  send(id: number, data: Uint8Array, length: number): boolean {
    packRecord(id, data, length, this.#record);
    const sent = this.#fd >= 0 && send(this.#fd, this.#record, this.#record.length);
    if (sent) this.stats.sent += 1;
    else this.stats.dropped += 1;
    return sent;
  }

  receive(frame: CanFrame): boolean {
    if (this.#fd < 0) return false;
    for (let count = 0; count < MOST_RECORDS; count++) {
      const length = receive(this.#fd, this.#record);
      if (length === 0) return false;
      if (length === PEER_GONE) {
        this.#lose();
        return false;
      }
      if (length !== this.#record.length) this.stats.errors += 1;
      else if (unpackRecord(this.#record, frame, this.stats)) return true;
    }
    return false;
  }

  close(): void {
    closeFd(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The world ended; a new one is a new bus. */
  #lose(): void {
    this.stats.errors += 1;
    this.stats.busOff = true;
    this.close();
  }
}
