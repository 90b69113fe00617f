import { lstatSync, unlinkSync } from 'node:fs';
import { MyelinError } from '../core/errors.ts';
import { Errno, errno, libc, systemCallError } from './libc.ts';

export { Poller } from './poller.ts';

/**
 * Local sockets that keep records whole and in order (AF_UNIX, SOCK_SEQPACKET). File descriptors are plain
 * numbers, every call returns at once and allocates nothing, so a 500 Hz loop can use them.
 */

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const TYPE = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const BACKLOG = 64;
const PATH_BYTES = 108;

function address(path: string): Uint8Array {
  const text = new TextEncoder().encode(path);
  if (text.length >= PATH_BYTES) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'The socket path',
      value: path,
      allowed: `shorter than ${PATH_BYTES} bytes (set XDG_RUNTIME_DIR to a shorter folder)`,
    });
  }
  const bytes = new Uint8Array(2 + text.length + 1);
  bytes[0] = AF_UNIX;
  bytes.set(text, 2);
  return bytes;
}

const openSocket = (): number => {
  const fd = libc().socket(AF_UNIX, TYPE, 0);
  if (fd < 0) throw systemCallError('Opening a local socket', 'Raise the limit of open files: ulimit -n');
  return fd;
};

/**
 * Listens at `path`; a socket file whose owner is gone is replaced. Returns the listening descriptor.
 * @throws MyelinError ADDRESS_IN_USE when a live process listens there, SYSTEM_CALL
 */
export function listen(path: string): number {
  const name = address(path);
  const c = libc();
  const fd = openSocket();
  let bound = c.bind(fd, name, name.length);
  if (bound !== 0 && errno() === Errno.EADDRINUSE) {
    const probe = connect(path);
    if (probe >= 0 || !lstatSync(path).isSocket()) {
      closeFd(probe);
      closeFd(fd);
      throw new MyelinError('ADDRESS_IN_USE', { path });
    }
    unlinkSync(path);
    bound = c.bind(fd, name, name.length);
  }
  if (bound !== 0 || c.listen(fd, BACKLOG) !== 0) {
    const error = systemCallError(`Listening at ${path}`, 'Check that its folder exists and is writable.');
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** The next waiting connection, or -1 when there is none. */
export const accept = (fd: number): number => libc().accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);

/**
 * Connects to a listener. Returns the descriptor, or -1 when nobody listens at `path` or its queue is full.
 * @throws MyelinError SYSTEM_CALL for any other reason
 */
export function connect(path: string): number {
  const name = address(path);
  const fd = openSocket();
  if (libc().connect(fd, name, name.length) === 0) return fd;
  const code = errno();
  const error = systemCallError(`Connecting to ${path}`, 'Check who may use the socket: ls -l', code);
  closeFd(fd);
  if (code === Errno.ENOENT || code === Errno.ECONNREFUSED || code === Errno.EAGAIN) return -1;
  throw error;
}

/** Two connected descriptors, for tests and for children. */
export function socketPair(): [number, number] {
  const fds = new Int32Array(2);
  if (libc().socketpair(AF_UNIX, TYPE, 0, fds) !== 0) {
    throw systemCallError('Opening a socket pair', 'Raise the limit of open files: ulimit -n');
  }
  return [fds[0]!, fds[1]!];
}

/** Sends the first `length` bytes as one record. False when the queue is full or the peer is gone: nothing was sent. */
export const send = (fd: number, bytes: Uint8Array, length: number): boolean =>
  libc().send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) === length;

/** Receives one record into `bytes` (the rest of a longer one is lost). Its length; 0 when none waits; -1 when the peer is gone. */
export function receive(fd: number, bytes: Uint8Array): number {
  for (;;) {
    const length = libc().recv(fd, bytes, bytes.length, MSG_DONTWAIT);
    if (length > 0) return length;
    if (length === 0) return -1;
    const code = errno();
    if (code === Errno.EAGAIN) return 0;
    if (code !== Errno.EINTR) return -1;
  }
}

/** Closes a descriptor; negative ones are ignored. */
export function closeFd(fd: number): void {
  if (fd >= 0) libc().close(fd);
}
