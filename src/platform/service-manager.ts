import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { libc, systemCallError } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0x80002;
/** Without waiting: a service manager that does not read must not hold up what it watches. */
const SEND_FLAGS = 0x4000 | 0x40; // MSG_NOSIGNAL | MSG_DONTWAIT
const PATH_BYTES = 107;

/**
 * A service manager that wants to be told how a service is (systemd's `sd_notify(3)`): lines `NAME=value` as datagrams
 * to the socket in `$NOTIFY_SOCKET`. Children do not inherit the wish: the variables are taken out of `environment`.
 */
export class ServiceManager {
  readonly #socket: string | undefined;
  /** How often it wants a sign of life at least, ms; undefined when it wants none. */
  readonly watchdogMs: number | undefined;

  constructor(environment: NodeJS.ProcessEnv = process.env, pid = process.pid) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: asked } = environment;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
    this.#socket = socket !== undefined && /^[/@]/.test(socket) ? socket : undefined;
    const wanted = this.#socket !== undefined && (asked === undefined || Number(asked) === pid);
    const ms = Number(microseconds) / 1000;
    this.watchdogMs = wanted && ms > 0 ? ms : undefined;
  }

  /**
   * Tells it, if there is one; whether it was told.
   * @throws MyelinError SYSTEM_CALL when its socket does not take the message
   */
  tell(...lines: readonly string[]): boolean {
    if (this.#socket === undefined) return false;
    const c = libc();
    const fd = c.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    if (fd < 0) throw systemCallError('Opening a local socket', 'Raise the limit of open files: ulimit -n');
    try {
      const address = socketAddress(this.#socket);
      const bytes = new TextEncoder().encode(lines.join('\n'));
      const sent =
        c.connect(fd, address, address.length) === 0 && c.send(fd, bytes, bytes.length, SEND_FLAGS) >= 0;
      if (!sent) throw systemCallError(`Telling ${this.#socket}`, 'Is the service manager still there?');
      return true;
    } finally {
      c.close(fd);
    }
  }
}

/** `@name` is an abstract address: a zero byte in place of the `@`, and no zero behind it. */
function socketAddress(path: string): Uint8Array {
  const text = new TextEncoder().encode(path).subarray(0, PATH_BYTES);
  const abstract = path.startsWith('@');
  const bytes = new Uint8Array(2 + text.length + (abstract ? 0 : 1));
  bytes[0] = AF_UNIX;
  bytes.set(text, 2);
  if (abstract) bytes[2] = 0;
  return bytes;
}

/**
 * Whether what is written to standard output is kept where others read it: in the system's journal, or in the log of a
 * container (which says so with `$container`, as podman and systemd-nspawn do; our image does too).
 */
export function outputIsKept(environment: NodeJS.ProcessEnv = process.env, fd = 1): boolean {
  const { JOURNAL_STREAM: stream, container } = environment;
  if (container !== undefined && container !== '' && !isatty(fd)) return true;
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
}
