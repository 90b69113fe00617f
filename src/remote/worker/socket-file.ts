import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { MyelinError } from '../../core/errors.ts';
import { ExclusiveName } from '../../platform/exclusive-name.ts';

/** The kernel's bound on the path of a local socket. */
const MOST_PATH_BYTES = 107;

/** The file behind `ipc:///path`. @throws MyelinError INVALID_ARGUMENT */
export function socketPath(address: string): string {
  const path = /^ipc:\/\/(\/[^\0]+)$/.exec(address)?.[1];
  const bytes = Buffer.byteLength(path ?? '');
  if (path === undefined || bytes > MOST_PATH_BYTES) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'The address of a socket',
      value: path === undefined ? JSON.stringify(address) : `${bytes} bytes long`,
      allowed: `ipc:// and an absolute path of at most ${MOST_PATH_BYTES} bytes`,
    });
  }
  return path;
}

/**
 * The right to bind a local socket at a path. One that a dead process left there is removed; ZeroMQ itself would take
 * the place of a living one without a word.
 */
export class SocketFile {
  readonly path: string;
  readonly address: string;
  readonly #name: ExclusiveName;
  #identity = '';

  private constructor(address: string, path: string, name: ExclusiveName) {
    this.address = address;
    this.path = path;
    this.#name = name;
  }

  /** @throws MyelinError ADDRESS_IN_USE when a process listens there, ADDRESS_UNUSABLE when it is no socket */
  static async claim(address: string): Promise<SocketFile> {
    const path = socketPath(address);
    const name = ExclusiveName.take(`myelin-socket:${path}`);
    if (name === undefined) throw new MyelinError('ADDRESS_IN_USE', { path });
    try {
      await removeStale(path);
      return new SocketFile(address, path, name);
    } catch (error) {
      name.close();
      throw error;
    }
  }

  /** To be called once it is bound: from then on the file is ours. */
  bound(): void {
    this.#identity = identityOf(this.path) ?? '';
  }

  /** What tells this file from another one that took its path: as `stat -c '%i %.9Y'` says it. */
  get identity(): string {
    return this.#identity;
  }

  /** Removes the file, if it is still ours. Idempotent. */
  close(): void {
    try {
      if (this.#identity !== '' && identityOf(this.path) === this.#identity) unlinkSync(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    } finally {
      this.#name.close();
    }
  }
}

/** The inode alone is none: a file system may give it to the next file at once. */
function identityOf(path: string): string | undefined {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (status === undefined) return undefined;
  const { ino, mtimeNs } = status;
  return `${ino} ${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`;
}

async function removeStale(path: string): Promise<void> {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isSocket()) {
    const advice = 'Remove that file, or choose another path.';
    throw new MyelinError('ADDRESS_UNUSABLE', {
      host: 'ipc',
      port: path,
      reason: 'it is not a socket',
      advice,
    });
  }
  if (await answers(path)) throw new MyelinError('ADDRESS_IN_USE', { path });
  unlinkSync(path);
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    const done = (living: boolean) => {
      socket.destroy();
      resolve(living);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
