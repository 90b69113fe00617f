import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type HubReference, isCommit } from './hub-reference.ts';

/**
 * One model in the cache, laid out as Hugging Face's own tools do, so that both find each other's files:
 * `blobs/HASH` holds the bytes, `snapshots/COMMIT/NAME` are links to them, `refs/REVISION` holds a commit.
 */
export class CachedModel {
  readonly folder: string;
  readonly #reference: HubReference;

  constructor(cache: string, reference: HubReference) {
    this.#reference = reference;
    this.folder = join(cache, `models--${reference.id.replace('/', '--')}`);
  }

  blob(hash: string): string {
    return join(this.folder, 'blobs', hash);
  }

  /** Where a download is until it is whole. */
  partial(hash: string): string {
    return `${this.blob(hash)}.incomplete`;
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** The commit the revision meant when it was last looked up, or undefined. */
  async commit(): Promise<string | undefined> {
    const { revision } = this.#reference;
    if (isCommit(revision)) return revision;
    const text = await readFile(this.#ref(), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async noteCommit(commit: string): Promise<void> {
    if (isCommit(this.#reference.revision) || (await this.commit()) === commit) return;
    await mkdir(dirname(this.#ref()), { recursive: true });
    await writeFile(`${this.#ref()}.${process.pid}`, commit);
    await rename(`${this.#ref()}.${process.pid}`, this.#ref());
  }

  /** Makes a blob appear in a snapshot. Where links are not allowed (Windows), the file itself. */
  async place(commit: string, name: string, hash: string): Promise<void> {
    const path = join(this.snapshot(commit), name);
    if (existsSync(path)) return;
    await mkdir(dirname(path), { recursive: true });
    const blob = this.blob(hash);
    await symlink(relative(dirname(path), blob), path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return;
      if (error.code !== 'EPERM' && error.code !== 'ENOTSUP') throw error;
      await link(blob, path);
    });
  }

  #ref(): string {
    return join(this.folder, 'refs', this.#reference.revision);
  }
}
