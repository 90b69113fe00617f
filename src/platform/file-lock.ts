import { closeSync, constants, openSync } from 'node:fs';
import { Errno, errno, libc, systemCallError } from './libc.ts';

const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const RETRY_MS = 10;

/**
 * A lock on a file that one holder on this machine can have at a time, processes and parts of one process alike, in
 * containers too when they share the file. The kernel takes it back when its holder ends, however it ends.
 */
export class FileLock implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes the lock, making the file where needed; undefined when somebody holds it. @throws MyelinError SYSTEM_CALL */
  static take(path: string): FileLock | undefined {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    // struct flock: type (2 bytes), whence (2), 4 of padding, start, length (0: all), process id (0: the open file).
    const request = new Uint8Array(32);
    request[0] = F_WRLCK;
    if (libc().fcntl(fd, F_OFD_SETLK, request) === 0) return new FileLock(fd);
    const code = errno();
    closeSync(fd);
    if (code === Errno.EAGAIN || code === Errno.EACCES) return undefined;
    throw systemCallError(`Locking ${path}`, 'Use a folder on a local disk.', code);
  }

  /** The same, waiting up to `timeoutMs` for the holder; undefined when it took longer. */
  static async wait(path: string, timeoutMs: number): Promise<FileLock | undefined> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const lock = FileLock.take(path);
      if (lock !== undefined || performance.now() > until) return lock;
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }

  /** Gives the lock back. Can be called twice. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
