import { CanSocket, type CanSyscalls } from '../platform/can-socket.ts';
import type { CanBus, CanFrame } from './can.ts';
import { createRecord, createStats, packRecord, unpackRecord } from './frame-record.ts';

/** Records looked at in one call; error frames may come in bursts. */
const MOST_RECORDS = 64;

/** A CAN interface of the Linux kernel, for example `can0`. Its bit rate is set by the system, not here. */
export class SocketCanBus implements CanBus, Disposable {
  readonly name: string;
  readonly stats = createStats();
  readonly #socket: CanSocket;
  readonly #record = createRecord();

  private constructor(socket: CanSocket) {
    this.name = socket.interfaceName;
    this.#socket = socket;
  }

  /**
   * @param calls the system calls to use, for kernels without CAN
   * @throws MyelinError BUS_UNAVAILABLE
   */
  static open(interfaceName: string, calls?: CanSyscalls): SocketCanBus {
    return new SocketCanBus(CanSocket.open(interfaceName, calls));
  }

  send(id: number, data: Uint8Array, length: number): boolean {
    packRecord(id, data, length, this.#record);
    const sent = this.#socket.send(this.#record);
    if (sent) this.stats.sent += 1;
    else this.stats.dropped += 1;
    return sent;
  }

  receive(frame: CanFrame): boolean {
    for (let count = 0; count < MOST_RECORDS; count++) {
      const got = this.#socket.receive(this.#record);
      if (got === 0) return false;
      if (got < 0) {
        // The interface is down or gone: nothing can be heard until it is back.
        this.stats.errors += 1;
        this.stats.busOff = true;
        return false;
      }
      if (unpackRecord(this.#record, frame, this.stats)) return true;
    }
    return false;
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
