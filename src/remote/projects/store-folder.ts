import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { FileLock } from '../../platform/file-lock.ts';
import { removeTree } from './tree-mode.ts';

const LOCK_TIMEOUT_MS = 30_000;
const UPLOAD_LIFE_MS = 24 * 3_600_000;

/** Where things lie in a store, and the two ways to change them safely: under the lock, or in a folder of one's own. */
export class StoreFolder {
  readonly root: string;
  readonly current: string;
  readonly default: string;
  readonly state: string;
  readonly versions: string;
  readonly work: string;
  readonly data: string;
  readonly uploads: string;
  readonly #staging: string;
  readonly #trash: string;
  readonly #lock: string;

  constructor(root: string) {
    this.root = resolve(root);
    const at = (name: string) => join(this.root, name);
    this.current = at('current');
    this.default = at('default');
    this.state = at('state.json');
    this.versions = at('versions');
    this.work = at('work');
    this.data = at('data');
    this.uploads = at('uploads');
    this.#staging = at('staging');
    this.#trash = at('trash');
    this.#lock = at('lock');
  }

  /** Makes the folders and removes what a process that died has left. @throws MyelinError FILE_UNWRITABLE */
  async open(): Promise<void> {
    const inside = [this.versions, this.work, this.data, this.uploads, this.#staging, this.#trash];
    await mkdir(this.root, { recursive: true });
    for (const folder of inside) await mkdir(folder, { recursive: true, mode: 0o700 });
    await this.locked(async () => {
      for (const name of await readdir(this.#staging)) {
        const folder = join(this.#staging, name);
        const owner = lockOf(folder);
        if (owner === undefined) continue;
        await removeTree(folder);
        owner.close();
      }
      for (const name of await readdir(this.#trash)) await removeTree(join(this.#trash, name));
      for (const name of await readdir(this.uploads)) {
        const upload = join(this.uploads, name);
        const { mtimeMs } = await stat(upload).catch(() => ({ mtimeMs: Date.now() }));
        if (Date.now() - mtimeMs > UPLOAD_LIFE_MS) await rm(upload, { recursive: true, force: true });
      }
    });
  }

  /** Runs `change` while no other process, and no other call in this one, changes the store. */
  async locked<T>(change: () => Promise<T>): Promise<T> {
    const lock = await FileLock.wait(this.#lock, LOCK_TIMEOUT_MS);
    if (lock === undefined) {
      throw new MyelinError('SYSTEM_CALL', {
        call: `Locking ${this.#lock}`,
        reason: `another process holds it for more than ${LOCK_TIMEOUT_MS / 1000} s`,
        advice: 'See who uses the folder: fuser -v FILE',
      });
    }
    try {
      return await change();
    } finally {
      lock.close();
    }
  }

  /** Gives `make` a new folder that is removed at the end, at the latest by the next start when this process dies. */
  async staged<T>(make: (folder: string) => Promise<T>): Promise<T> {
    const folder = join(this.#staging, randomBytes(8).toString('hex'));
    const owner = await this.locked(async () => {
      await mkdir(folder, { mode: 0o700 });
      return FileLock.take(join(folder, 'lock'));
    });
    try {
      return await make(folder);
    } finally {
      // At once out of the sight of those who look for what a dead process left.
      await this.discard(folder);
      owner?.close();
    }
  }

  /** Takes something out of sight at once and removes it. What is not there is no failure. */
  async discard(path: string): Promise<void> {
    const grave = join(this.#trash, randomBytes(8).toString('hex'));
    try {
      await rename(path, grave);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw thrown;
    }
    await removeTree(grave);
  }
}

/** The lock of a staging folder whose owner is dead; undefined when it lives, or has just tidied up. */
function lockOf(folder: string): FileLock | undefined {
  try {
    return FileLock.take(join(folder, 'lock'));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}
