import { constants } from 'node:fs';
import { MyelinError } from '../core/errors.ts';
import { Errno, errno, errnoName, libc, systemCallError } from './libc.ts';

// The kernel's own terminal interface rather than the C library's, whose baud-rate numbers vary by version.
const TCGETS2 = 0x802c542a;
const TCSETS2 = 0x402c542b;
const TCFLSH = 0x540b;
const TIOCEXCL = 0x540c;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TCIOFLUSH = 2;

// struct termios2: u32 input, output, control, local flags; u8 line; u8 characters[19]; u32 input, output speed.
const TERMIOS2_BYTES = 44;
const [INPUT, OUTPUT, CONTROL, LOCAL, CHARACTERS, INPUT_SPEED, OUTPUT_SPEED] = [
  0, 4, 8, 12, 17, 36, 40,
] as const;
const VTIME = 5;
const VMIN = 6;
const BOTHER = 0x1000;
const CS8 = 0x30;
const CREAD = 0x80;
const CLOCAL = 0x800;

/** A serial port or one end of a pseudo-terminal: bytes in, bytes out, nothing in between. Calls return at once. */
export class Tty implements Disposable {
  readonly path: string;
  readonly #peerMayReturn: boolean;
  #fd: number;

  constructor(path: string, fd: number, peerMayReturn: boolean) {
    this.path = path;
    this.#fd = fd;
    this.#peerMayReturn = peerMayReturn;
  }

  get fd(): number {
    return this.#fd;
  }

  /** Reads what has arrived, at most `bytes.length`. How many; 0 when nothing; -1 when the device is gone. */
  read(bytes: Uint8Array): number {
    const count = libc().read(this.#fd, bytes, bytes.length);
    if (count > 0) return count;
    const gone = count === 0 || (errno() !== Errno.EAGAIN && errno() !== Errno.EINTR);
    return gone && !this.#peerMayReturn ? -1 : 0;
  }

  /** Queues up to `length` bytes. How many were taken; 0 when the queue is full; -1 when the device is gone. */
  write(bytes: Uint8Array, length = bytes.length): number {
    const count = libc().write(this.#fd, bytes, length);
    if (count >= 0) return count;
    return errno() === Errno.EAGAIN || errno() === Errno.EINTR ? 0 : -1;
  }

  close(): void {
    if (this.#fd >= 0) libc().close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Sets a terminal to pass every byte as it is, at any baud rate the device can do. False when the system refuses. */
function makeRaw(fd: number, baud: number): boolean {
  const c = libc();
  const bytes = new Uint8Array(TERMIOS2_BYTES);
  if (c.ioctl(fd, TCGETS2, bytes) !== 0) return false;
  const fields = new DataView(bytes.buffer);
  for (const flags of [INPUT, OUTPUT, LOCAL]) fields.setUint32(flags, 0, true);
  fields.setUint32(CONTROL, BOTHER | CS8 | CREAD | CLOCAL, true);
  fields.setUint32(INPUT_SPEED, baud, true);
  fields.setUint32(OUTPUT_SPEED, baud, true);
  bytes.fill(0, CHARACTERS, INPUT_SPEED);
  bytes[CHARACTERS + VMIN] = 1;
  bytes[CHARACTERS + VTIME] = 0;
  return c.ioctl(fd, TCSETS2, bytes) === 0;
}

/**
 * Opens a serial port raw, 8 data bits, no parity, no flow control, for this process alone. What had arrived
 * before is thrown away.
 * @throws MyelinError BUS_UNAVAILABLE
 */
export function openTty(path: string, baud: number): Tty {
  const c = libc();
  const unavailable = (code: number): MyelinError => {
    const advice =
      code === Errno.EACCES
        ? 'Add this user to the group that owns the port: sudo usermod -aG dialout $USER, then log in again.'
        : code === Errno.EBUSY
          ? `Another process has it open: fuser ${path}`
          : code === Errno.ENOTTY || code === Errno.EINVAL
            ? `Is it a serial port that can do ${baud} baud?`
            : 'Is the adapter plugged in (ls /dev/ttyACM* /dev/ttyUSB*)?';
    return new MyelinError('BUS_UNAVAILABLE', { interface: path, reason: errnoName(code), advice });
  };
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK | 0x80000;
  const fd = c.open(path, flags, 0);
  if (fd < 0) throw unavailable(errno());
  if (!makeRaw(fd, baud) || c.ioctl(fd, TIOCEXCL, null) !== 0) {
    const error = unavailable(errno());
    c.close(fd);
    throw error;
  }
  c.ioctl(fd, TCFLSH, BigInt(TCIOFLUSH));
  return new Tty(path, fd, false);
}

/**
 * Makes a pseudo-terminal, raw from the start. `master` is our end; `master.path` is what the other side opens like a
 * serial port. Nobody at the other end is not an error here: reads give 0 until somebody comes.
 * @throws MyelinError SYSTEM_CALL
 */
export function openPty(): Tty {
  const c = libc();
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK | 0x80000;
  const fd = c.open('/dev/ptmx', flags, 0);
  const number = new Int32Array(1);
  if (
    fd < 0 ||
    c.ioctl(fd, TIOCSPTLCK, number) !== 0 ||
    c.ioctl(fd, TIOCGPTN, number) !== 0 ||
    !makeRaw(fd, 1_000_000)
  ) {
    const error = systemCallError('Making a pseudo-terminal', 'Is /dev/pts mounted?');
    if (fd >= 0) c.close(fd);
    throw error;
  }
  return new Tty(`/dev/pts/${number[0]}`, fd, true);
}
