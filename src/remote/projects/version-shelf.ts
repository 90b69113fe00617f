import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { sync } from '../archive/sync-tree.ts';
import type { ProjectVersion } from './project-store.ts';
import type { StoreFolder } from './store-folder.ts';
import { readVersion } from './version-record.ts';

const PREFIX = /^[0-9a-f]{6,64}$/;

/** The kept versions: `versions/PROJECT/ID/`. Changes are made under the store's lock, by the caller. */
export class VersionShelf {
  readonly #folder: StoreFolder;

  constructor(folder: StoreFolder) {
    this.#folder = folder;
  }

  async projects(): Promise<string[]> {
    return (await names(this.#folder.versions)).sort();
  }

  /** Kept versions of a project, the last used or uploaded first. */
  async list(project: string): Promise<ProjectVersion[]> {
    const found: { version: ProjectVersion; usedMs: number }[] = [];
    for (const id of await names(join(this.#folder.versions, project))) {
      const version = await this.get(project, id);
      if (version === undefined) continue;
      const { mtimeMs } = await stat(this.#record(project, id)).catch(() => ({ mtimeMs: 0 }));
      found.push({ version, usedMs: mtimeMs });
    }
    return found.sort((a, b) => b.usedMs - a.usedMs).map(({ version }) => version);
  }

  get(project: string, id: string): Promise<ProjectVersion | undefined> {
    return readVersion(join(this.#folder.versions, project, id));
  }

  /** The version whose id begins so. @throws MyelinError PROJECT_UNKNOWN, VERSION_UNKNOWN (also when two do) */
  async find(project: string, beginning: string): Promise<ProjectVersion> {
    const ids = await names(join(this.#folder.versions, project));
    if (ids.length === 0) throw new MyelinError('PROJECT_UNKNOWN', { project });
    const meant = PREFIX.test(beginning) ? ids.filter((id) => id.startsWith(beginning)) : [];
    const version = meant.length === 1 ? await this.get(project, meant[0] ?? '') : undefined;
    if (version !== undefined) return version;
    throw new MyelinError('VERSION_UNKNOWN', { project, version: beginning.slice(0, 80) });
  }

  /** Puts a version that was prepared in `staged` on the shelf; one that is there already is kept and counts as new. */
  async put(staged: string, project: string, id: string): Promise<ProjectVersion> {
    const shelf = join(this.#folder.versions, project);
    await mkdir(shelf, { recursive: true, mode: 0o700 });
    if ((await this.get(project, id)) === undefined) {
      await this.#folder.discard(join(shelf, id));
      await rename(staged, join(shelf, id));
      await sync(shelf);
    } else {
      await utimes(this.#record(project, id), new Date(), new Date());
    }
    return this.find(project, id);
  }

  /** Removes all but the `keep` versions that come first, and those in `spared`. */
  async prune(project: string, keep: number, spared: ReadonlySet<string>): Promise<void> {
    const versions = await this.list(project);
    for (const { id } of versions.slice(keep)) if (!spared.has(id)) await this.remove(project, id);
  }

  /** Removes a version, or the project with all of them. */
  async remove(project: string, id?: string): Promise<void> {
    await this.#folder.discard(join(this.#folder.versions, project, id ?? ''));
  }

  #record(project: string, id: string): string {
    return join(this.#folder.versions, project, id, 'version.json');
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
}
