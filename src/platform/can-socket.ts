import { MyelinError } from '../core/errors.ts';
import { Errno, errno, errnoName, libc } from './libc.ts';

/** A record on a raw CAN socket, and on Myelin's stand-ins: u32 id and flags, u8 length, 3 unused, 8 data bytes. */
export const CAN_FRAME_BYTES = 16;

/** Flags in the id word. */
export const CanFlag = { EXTENDED: 0x80000000, REMOTE: 0x40000000, ERROR: 0x20000000 } as const;

/** Error classes, in the low bits of an error frame's id. */
export const CanErrorClass = {
  TX_TIMEOUT: 0x1,
  LOST_ARBITRATION: 0x2,
  CONTROLLER: 0x4,
  PROTOCOL: 0x8,
  TRANSCEIVER: 0x10,
  NO_ACK: 0x20,
  BUS_OFF: 0x40,
  BUS_ERROR: 0x80,
  RESTARTED: 0x100,
} as const;

// The kernel's names and numbers, the same on every architecture.
const AF_CAN = 29;
const SOCK_RAW = 3;
const CAN_RAW = 1;
const SOL_CAN_RAW = 101;
const CAN_RAW_ERR_FILTER = 2;
const CAN_ERR_MASK = 0x1fffffff;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFINDEX = 0x8933;
const IFF_UP = 1;
const F_SETFL = 4;
const O_NONBLOCK = 0x800;
const IFREQ_BYTES = 40;
const IFNAMSIZ = 16;
const SOCKADDR_CAN_BYTES = 24;

/**
 * The system calls a CAN socket is made of, so that another implementation can stand in for a kernel without CAN.
 * Each returns -1 and sets `errno` on failure, as in C.
 */
export interface CanSyscalls {
  socket(domain: number, type: number, protocol: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  read(fd: number, bytes: Uint8Array, length: number): number;
  write(fd: number, bytes: Uint8Array, length: number): number;
  close(fd: number): number;
  errno(): number;
}

/** The system calls of the kernel this runs on. */
export function kernelCanSyscalls(): CanSyscalls {
  const c = libc();
  return { ...c, fcntl: (fd, command, argument) => c.fcntl(fd, command, BigInt(argument)), errno };
}

/** A raw CAN socket, bound to one interface, receiving error frames too. Calls return at once and allocate nothing. */
export class CanSocket implements Disposable {
  readonly interfaceName: string;
  readonly #calls: CanSyscalls;
  #fd: number;

  private constructor(interfaceName: string, calls: CanSyscalls, fd: number) {
    this.interfaceName = interfaceName;
    this.#calls = calls;
    this.#fd = fd;
  }

  /** @throws MyelinError BUS_UNAVAILABLE with what to do about it */
  static open(interfaceName: string, calls: CanSyscalls = kernelCanSyscalls()): CanSocket {
    const unavailable = (reason: string, advice: string): MyelinError =>
      new MyelinError('BUS_UNAVAILABLE', { interface: interfaceName, reason, advice });
    const name = new TextEncoder().encode(interfaceName);
    if (name.length === 0 || name.length >= IFNAMSIZ || /[\s/\0]/.test(interfaceName)) {
      throw unavailable('that is no interface name', 'Give a CAN interface, for example can0.');
    }

    const fd = calls.socket(AF_CAN, SOCK_RAW, CAN_RAW);
    if (fd < 0) {
      const code = calls.errno();
      throw code === Errno.EAFNOSUPPORT || code === Errno.EPROTONOSUPPORT
        ? unavailable(
            'this kernel has no CAN',
            'Load it (modprobe can_raw), or use a serial adapter (--interface slcan:/dev/ttyACM0) or a simulated arm (--dry-run).',
          )
        : unavailable(errnoName(code), 'Run as a user who may open raw CAN sockets.');
    }
    try {
      const request = new Uint8Array(IFREQ_BYTES);
      const fields = new DataView(request.buffer);
      request.set(name);
      if (calls.ioctl(fd, SIOCGIFINDEX, request) !== 0) {
        const code = calls.errno();
        throw unavailable(
          code === Errno.ENODEV ? 'there is no such interface' : errnoName(code),
          'See which there are: ip -brief link show type can',
        );
      }
      const index = fields.getInt32(IFNAMSIZ, true);

      if (calls.ioctl(fd, SIOCGIFFLAGS, request) !== 0 || (fields.getUint16(IFNAMSIZ, true) & IFF_UP) === 0) {
        throw unavailable(
          'the interface is down',
          `Bring it up: ip link set ${interfaceName} up type can bitrate 1000000`,
        );
      }

      const errors = new Uint8Array(4);
      new DataView(errors.buffer).setUint32(0, CAN_ERR_MASK, true);
      const address = new Uint8Array(SOCKADDR_CAN_BYTES);
      const target = new DataView(address.buffer);
      target.setUint16(0, AF_CAN, true);
      target.setInt32(4, index, true);
      if (
        calls.setsockopt(fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, errors, errors.length) !== 0 ||
        calls.fcntl(fd, F_SETFL, O_NONBLOCK) !== 0 ||
        calls.bind(fd, address, address.length) !== 0
      ) {
        throw unavailable(
          errnoName(calls.errno()),
          `Is ${interfaceName} a CAN interface (ip -details link show)?`,
        );
      }
    } catch (error) {
      calls.close(fd);
      throw error;
    }
    return new CanSocket(interfaceName, calls, fd);
  }

  /** Queues one frame of {@link CAN_FRAME_BYTES}. False when the queue is full or the interface went down. */
  send(frame: Uint8Array): boolean {
    return this.#calls.write(this.#fd, frame, CAN_FRAME_BYTES) === CAN_FRAME_BYTES;
  }

  /** Takes the oldest waiting frame: 1; or 0 when none waits; or -1 when the interface is down or gone. */
  receive(frame: Uint8Array): -1 | 0 | 1 {
    const length = this.#calls.read(this.#fd, frame, CAN_FRAME_BYTES);
    if (length === CAN_FRAME_BYTES) return 1;
    if (length >= 0) return -1;
    const code = this.#calls.errno();
    return code === Errno.EAGAIN || code === Errno.EINTR ? 0 : -1;
  }

  close(): void {
    if (this.#fd >= 0) this.#calls.close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
