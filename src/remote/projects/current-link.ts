import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { sync } from '../archive/sync-tree.ts';
import { copyFiles } from './folder-files.ts';
import type { ProjectVersion } from './project-store.ts';
import type { StoreFolder } from './store-folder.ts';
import { setTreeMode } from './tree-mode.ts';

/**
 * `current`: a link to a copy of the version in use, which people may read, edit and empty. Programs run the version
 * itself, so nothing that is done to the copy can harm a kept version.
 */
export class CurrentLink {
  readonly #folder: StoreFolder;

  constructor(folder: StoreFolder) {
    this.#folder = folder;
  }

  /** Copies a version into a staging folder. Not synced to the disk, which would take most of the time of a switch. */
  async copy(version: ProjectVersion, staging: string): Promise<string> {
    const copy = join(staging, 'work');
    await copyFiles(version.folder, copy, version.files);
    await setTreeMode(copy, version.files, true);
    return copy;
  }

  /** Moves the copy to where the link can lead to, and returns its name there. */
  async place(copy: string, version: string, nonce: string): Promise<string> {
    const name = `${version.slice(0, 16)}-${nonce}`;
    await mkdir(this.#folder.work, { recursive: true, mode: 0o700 });
    await rename(copy, join(this.#folder.work, name));
    await sync(this.#folder.work);
    return name;
  }

  /** Has the link lead to `work/NAME`. A folder that somebody put in its place is removed. */
  async lead(name: string): Promise<void> {
    const { current, root } = this.#folder;
    const beside = join(root, 'current.new');
    await rm(beside, { recursive: true, force: true });
    await symlink(join('work', name), beside);
    try {
      await rename(beside, current);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code !== 'EISDIR' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw thrown;
      await this.#folder.discard(current);
      await rename(beside, current);
    }
    await sync(root);
  }
}
