import { closeSync, constants, fstatSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { MyelinError } from '../core/errors.ts';
import { Errno, errno, errnoName, libc, viewMemory } from './libc.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x32;
const MAP_FAILED = 2n ** 64n - 1n;

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'Free space on that disk (df -h), or ask for a shorter file.',
  EDQUOT: 'The quota of this user is used up: free space, or choose another disk.',
  EROFS: 'That disk is mounted read-only: choose another place.',
  EACCES: 'Choose a folder that this user may write to.',
  ENOENT: 'Make the folder first.',
  EISDIR: 'Give the path of a file, not of a folder.',
};

const unwritable = (file: string, bytes: number, reason: string, cause?: unknown): MyelinError =>
  new MyelinError(
    'FILE_UNWRITABLE',
    { file, bytes, reason, advice: ADVICE[reason] ?? 'Choose another place.' },
    { cause },
  );

/**
 * A new file of fixed size, mapped: what is stored in `buffer` is in the file at once, as far as other processes
 * and the death of this one are concerned. Its room is reserved at creation, so a full disk is an error here and
 * never a crash later.
 */
export class MappedFile implements Disposable {
  readonly path: string;
  readonly buffer: ArrayBuffer;
  readonly #bytes: number;
  readonly #address: bigint;
  #open = true;

  private constructor(path: string, bytes: number, address: bigint) {
    this.path = path;
    this.#bytes = bytes;
    this.#address = address;
    this.buffer = viewMemory(address, bytes);
  }

  /**
   * Makes the file, or empties the one that is there, and touches every page of it.
   * @throws MyelinError FILE_UNWRITABLE
   */
  static create(path: string, bytes: number): MappedFile {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    } catch (cause) {
      throw unwritable(path, bytes, (cause as NodeJS.ErrnoException).code ?? 'unknown', cause);
    }
    try {
      if (!fstatSync(fd).isFile()) throw unwritable(path, bytes, 'not a plain file');
      ftruncateSync(fd, 0);
      let code = Errno.EINTR;
      while (code === Errno.EINTR) code = libc().posix_fallocate(fd, 0, bytes);
      if (code !== 0) {
        unlinkSync(path);
        throw unwritable(path, bytes, errnoName(code));
      }
      const address = libc().mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0);
      if (address === MAP_FAILED) throw unwritable(path, bytes, errnoName(errno()));
      const file = new MappedFile(path, bytes, address);
      new Uint8Array(file.buffer).fill(0);
      return file;
    } finally {
      closeSync(fd);
    }
  }

  /** Lets go of the file, which stays. Views of it read zeros from now on. Can be called twice. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc().mmap(this.#address, this.#bytes, PROT_READ_WRITE, MAP_PRIVATE_FIXED_ANONYMOUS, -1, 0);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
