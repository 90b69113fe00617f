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
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

const pathOf = (name: string, folder = DIRECTORY): string => {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/.test(name)) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'The segment name',
      value: JSON.stringify(name),
      allowed: 'letters, digits, "_", "-" and "."',
    });
  }
  return `${folder}/${name}`;
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

export interface OpenOptions {
  /** Nothing can be written then. Default false. */
  readonly readOnly?: boolean;
  /** Where it lies, when not in /dev/shm. */
  readonly folder?: string;
}

export interface CreateOptions {
  /** File permissions. Default 0o600: only this user. */
  readonly mode?: number;
  /** Without its name until {@link SharedMemory.appear}, so that it can be filled before anyone sees it. Default false. */
  readonly hidden?: boolean;
}

/**
 * Named memory shared between processes: a file in /dev/shm, mapped. Typed arrays and `Atomics` work on
 * `buffer`. Its room is reserved at creation, so a full /dev/shm is an error here and never a crash later.
 */
export class SharedMemory implements Disposable {
  readonly name: string;
  readonly bytes: number;
  readonly buffer: ArrayBuffer;
  readonly #folder: string;
  readonly #address: bigint;
  readonly #inode: number;
  #fd: number;
  #mine = false;

  private constructor(name: string, fd: number, bytes: number, readOnly: boolean, folder = DIRECTORY) {
    const protection = readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
    this.#address = libc().mmap(null, bytes, protection, MAP_SHARED, fd, 0);
    if (this.#address === MAP_FAILED) throw refused('mapped', name, bytes, errno());
    this.name = name;
    this.#folder = folder;
    this.bytes = bytes;
    this.buffer = viewMemory(this.#address, bytes);
    this.#inode = fstatSync(fd).ino;
    this.#fd = fd;
    unmapper.register(this.buffer, { address: this.#address, bytes });
  }

  /**
   * Makes a new segment of `bytes` zeros, claimed for this process: see {@link claimed}.
   * @throws MyelinError SEGMENT_EXISTS, SEGMENT_NO_SPACE, SEGMENT_FORBIDDEN
   */
  static create(name: string, bytes: number, options: CreateOptions = {}): SharedMemory {
    pathOf(name); // A bad name is refused now, not when it is to appear.
    // A file without a name: if this process dies half way, nothing is left behind.
    const fd = openFile('made', DIRECTORY, O_TMPFILE | constants.O_RDWR, options.mode ?? 0o600, name, bytes);
    let memory: SharedMemory;
    try {
      let code = Errno.EINTR;
      while (code === Errno.EINTR) code = libc().posix_fallocate(fd, 0, bytes);
      if (code !== 0) throw refused('made', name, bytes, code);
      memory = new SharedMemory(name, fd, bytes, false);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    try {
      memory.claim();
      if (options.hidden !== true) memory.appear();
      return memory;
    } catch (error) {
      memory.close();
      throw error;
    }
  }

  /**
   * Gives a hidden segment its name, for everyone to see.
   * @throws MyelinError SEGMENT_EXISTS, SEGMENT_FORBIDDEN
   */
  appear(): void {
    const file = `/proc/self/fd/${this.#fd}`;
    if (libc().linkat(AT_FDCWD, file, AT_FDCWD, pathOf(this.name), AT_SYMLINK_FOLLOW) === 0) return;
    const failure = errno();
    if (failure === Errno.EEXIST) throw new MyelinError('SEGMENT_EXISTS', { name: this.name });
    throw refused('made', this.name, this.bytes, failure);
  }

  /** @throws MyelinError SEGMENT_MISSING, SEGMENT_FORBIDDEN */
  static open(name: string, options: OpenOptions = {}): SharedMemory {
    const { readOnly = false, folder = DIRECTORY } = options;
    const flags = (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NOFOLLOW;
    const fd = openFile('opened', pathOf(name, folder), flags, 0, name, 0);
    try {
      const status = fstatSync(fd);
      if (!status.isFile() || status.size === 0) throw new MyelinError('SEGMENT_MISSING', { name });
      return new SharedMemory(name, fd, status.size, readOnly, folder);
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

  /**
   * Runs `change` while no other process is inside of this, for the sake of those that have no atomic exchange. It
   * does not wait: when another one is inside, `change` runs all the same and has to be atomic by itself.
   */
  exclusively<T>(change: () => T): T {
    const locked = libc().flock(this.#fd, LOCK_EX | LOCK_NB) === 0;
    try {
      return change();
    } finally {
      if (locked) libc().flock(this.#fd, LOCK_UN);
    }
  }

  /** Keeps the pages in memory. False when the system refuses (ulimit -l). */
  lock(): boolean {
    return libc().mlock(this.#address, this.bytes) === 0;
  }

  /** Whether the name still leads to this segment and not to a newer one. */
  get current(): boolean {
    try {
      const fd = openSync(pathOf(this.name, this.#folder), constants.O_RDONLY | constants.O_NOFOLLOW);
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
