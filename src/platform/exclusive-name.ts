import { Errno, errno, libc, systemCallError } from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0x80001;
const PATH_BYTES = 107;

/**
 * A name that one process on this machine can hold at a time. The kernel takes it back when that process ends,
 * however it ends, and nothing is left on disk.
 */
export class ExclusiveName implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes the name; undefined when a live process holds it. @throws MyelinError SYSTEM_CALL */
  static take(name: string): ExclusiveName | undefined {
    const c = libc();
    const fd = c.socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
    if (fd < 0) throw systemCallError('Opening a local socket', 'Raise the limit of open files: ulimit -n');
    // An abstract address begins with a zero byte and has no file.
    const text = new TextEncoder().encode(name).subarray(0, PATH_BYTES);
    const address = new Uint8Array(3 + text.length);
    address[0] = AF_UNIX;
    address.set(text, 3);
    if (c.bind(fd, address, address.length) === 0) return new ExclusiveName(fd);
    const code = errno();
    c.close(fd);
    if (code === Errno.EADDRINUSE) return undefined;
    throw systemCallError(`Taking the name ${name}`, 'Allow local sockets (AF_UNIX) in this sandbox.', code);
  }

  /** Gives the name back. Can be called twice. */
  close(): void {
    if (this.#fd >= 0) libc().close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
