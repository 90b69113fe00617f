import { closeSync, constants, fstatSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { MyelinError } from '../core/errors.ts';
import { Errno, errno, errnoName, libc, systemCallError, viewMemory } from './libc.ts';

const DIRECTORY = '/dev/shm';
const O_TMPFILE = 0x400000 | constants.O_DIRECTORY;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x32;
const MAP_FAILED = 2n ** 64n - 1n;
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const F_UNLCK = 2;

const pathOf = (name: string): string => {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/.test(name)) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'The segment name',
      value: JSON.stringify(name),
      allowed: 'letters, digits, "_", "-" and "."',
    });
  }
  return `${DIRECTORY}/${name}`;
};

/** Turns what went wrong with a file in /dev/shm into the row of the error table that helps. */
function refused(action: string, name: string, bytes: number, code: number, cause?: unknown): MyelinError {
  const reason = errnoName(code);
  if (code === Errno.ENOENT && action === 'opened') return new MyelinError('SEGMENT_MISSING', { name });
  if (code === Errno.ENOSPC || code === Errno.ENOMEM) {
    return new MyelinError('SEGMENT_NO_SPACE', { bytes, reason }, { cause });
  }
  const advice =
    code === Errno.EROFS
      ? `${DIRECTORY} is mounted read-only: mount -o remount,rw ${DIRECTORY}`
      : code === Errno.ENOENT
        ? `${DIRECTORY} does not exist: mount -t tmpfs tmpfs ${DIRECTORY} (in a container: --shm-size=64m)`
        : `Run as the user who made it, or let this user write to ${DIRECTORY} (ls -l ${DIRECTORY}).`;
  return new MyelinError('SEGMENT_FORBIDDEN', { name, action, reason, advice }, { cause });
}

const openFile = (action: string, path: string, flags: number, mode: number, name: string, bytes: number) => {
  try {
    return openSync(path, flags, mode);
  } catch (cause) {
    const code = Math.abs((cause as { errno?: number }).errno ?? 0);
    throw refused(action, name, bytes, code, cause);
  }
};

// When a buffer is no longer reachable nobody can read through it any more: only then is its address range given back.
const unmapper = new FinalizationRegistry(({ address, bytes }: { address: bigint; bytes: number }) => {
  libc().munmap(address, bytes);
});

export interface CreateOptions {
  /** File permissions. Default 0o600: only this user. */
  readonly mode?: number;
  /** Fills the memory before anyone can see it. */
  readonly initialise?: (buffer: ArrayBuffer) => void;
}

/**
 * Named memory shared between processes: a file in /dev/shm, mapped. Typed arrays and `Atomics` work on
 * `buffer`. Its room is reserved at creation, so a full /dev/shm is an error here and never a crash later.
 */
export class SharedMemory implements Disposable {
  readonly name: string;
  readonly bytes: number;
  readonly buffer: ArrayBuffer;
  readonly #address: bigint;
  readonly #inode: number;
  #fd: number;
  #mine = false;

  private constructor(name: string, fd: number, bytes: number, readOnly: boolean) {
    const protection = readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
    this.#address = libc().mmap(null, bytes, protection, MAP_SHARED, fd, 0);
    if (this.#address === MAP_FAILED) throw refused('mapped', name, bytes, errno());
    this.name = name;
    this.bytes = bytes;
    this.buffer = viewMemory(this.#address, bytes);
    this.#inode = fstatSync(fd).ino;
    this.#fd = fd;
    unmapper.register(this.buffer, { address: this.#address, bytes });
  }

  /**
   * Makes a new segment of `bytes` zeros. It appears under its name only when `initialise` has returned, and it is
   * claimed for this process: see {@link claimed}.
   * @throws MyelinError SEGMENT_EXISTS, SEGMENT_NO_SPACE, SEGMENT_FORBIDDEN
   */
  static create(name: string, bytes: number, options: CreateOptions = {}): SharedMemory {
    const path = pathOf(name);
    // A file without a name: if this process dies half way, nothing is left behind.
    const fd = openFile('made', DIRECTORY, O_TMPFILE | constants.O_RDWR, options.mode ?? 0o600, name, bytes);
    try {
      let code = Errno.EINTR;
      while (code === Errno.EINTR) code = libc().posix_fallocate(fd, 0, bytes);
      if (code !== 0) throw refused('made', name, bytes, code);
      const memory = new SharedMemory(name, fd, bytes, false);
      memory.claim();
      options.initialise?.(memory.buffer);
      if (libc().linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW) !== 0) {
        const failure = errno();
        memory.#forget();
        if (failure === Errno.EEXIST) throw new MyelinError('SEGMENT_EXISTS', { name });
        throw refused('made', name, bytes, failure);
      }
      return memory;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** @throws MyelinError SEGMENT_MISSING, SEGMENT_FORBIDDEN */
  static open(name: string, options: { readonly readOnly?: boolean } = {}): SharedMemory {
    const readOnly = options.readOnly ?? false;
    const flags = (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NOFOLLOW;
    const fd = openFile('opened', pathOf(name), flags, 0, name, 0);
    try {
      const status = fstatSync(fd);
      if (!status.isFile() || status.size === 0) throw new MyelinError('SEGMENT_MISSING', { name });
      return new SharedMemory(name, fd, status.size, readOnly);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Removes the name. Those who have the segment open keep it. False when there is no such segment. */
  static unlink(name: string): boolean {
    try {
      unlinkSync(pathOf(name));
      return true;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return false;
      throw systemCallError(
        `Removing ${DIRECTORY}/${name}`,
        `Remove it as its owner: ls -l ${DIRECTORY}`,
        Math.abs((cause as { errno?: number }).errno ?? 0),
      );
    }
  }

  /** Names of all files in /dev/shm, whoever made them. */
  static list(): string[] {
    return readdirSync(DIRECTORY, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort();
  }

  /**
   * Claims the segment for this process, for as long as it lives: the kernel drops the claim at its death,
   * however it dies. False when another holds it.
   */
  claim(): boolean {
    this.#mine ||= libc().fcntl(this.#fd, F_OFD_SETLK, lockRequest()) === 0;
    return this.#mine;
  }

  /** Whether this or another opener, a live process, has claimed the segment. */
  claimed(): boolean {
    if (this.#mine) return true;
    const request = lockRequest();
    return libc().fcntl(this.#fd, F_OFD_GETLK, request) === 0 && request[0] !== F_UNLCK;
  }

  /** Keeps the pages in memory. False when the system refuses (ulimit -l). */
  lock(): boolean {
    return libc().mlock(this.#address, this.bytes) === 0;
  }

  /** Whether the name still leads to this segment and not to a newer one. */
  get current(): boolean {
    try {
      const fd = openSync(pathOf(this.name), constants.O_RDONLY | constants.O_NOFOLLOW);
      const { ino } = fstatSync(fd);
      closeSync(fd);
      return ino === this.#inode;
    } catch {
      return false;
    }
  }

  /** Removes the name if it still leads to this segment. */
  unlink(): void {
    if (this.current) SharedMemory.unlink(this.name);
  }

  /** Lets go of the segment and of the claim. Views of it read zeros from now on. Can be called twice. */
  close(): void {
    if (this.#fd < 0) return;
    this.#forget();
    closeSync(this.#fd);
    this.#fd = -1;
    this.#mine = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Puts private zero pages in place of the shared ones: a view that somebody kept must not crash the process. */
  #forget(): void {
    libc().mmap(this.#address, this.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE_FIXED_ANONYMOUS, -1, 0);
  }
}

/** `struct flock` for a write lock on the whole file. */
function lockRequest(): Int16Array {
  const request = new Int16Array(16);
  request[0] = F_WRLCK;
  return request;
}
