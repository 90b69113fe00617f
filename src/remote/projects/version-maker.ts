import { chmod, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { sync, syncTree } from '../archive/sync-tree.ts';
import { unpack } from '../archive/unpack.ts';
import { copyFiles, findFiles, hashFiles } from './folder-files.ts';
import { checkProjectName, MANIFEST_FILE } from './manifest.ts';
import type { ProjectFile } from './project-store.ts';
import { type LanguageKind, languageOf, manifestOf } from './recognise.ts';
import { setTreeMode } from './tree-mode.ts';
import { byPath, versionId } from './version-id.ts';
import type { VersionRecord } from './version-record.ts';
import { writeWhole } from './write-whole.ts';

/** A version that is complete but not on the shelf yet. */
export interface MadeVersion {
  readonly folder: string;
  readonly record: VersionRecord;
}

/** Makes versions in a staging folder, from archives and from folders. */
export class VersionMaker {
  readonly #kinds: readonly LanguageKind[];
  readonly #nowUnixS: () => number;

  constructor(kinds: readonly LanguageKind[], nowUnixS: () => number) {
    this.#kinds = kinds;
    this.#nowUnixS = nowUnixS;
  }

  /** @throws MyelinError ARCHIVE_REFUSED, PROJECT_INVALID */
  async fromArchive(
    archive: string,
    staging: string,
    project: string | undefined,
    fallback: string,
    onProgress: (text: string) => void,
  ): Promise<MadeVersion> {
    let told = 0;
    const unpacked = await unpack(archive, staging, {
      onProgress: (done, total) => {
        const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
        if (percent >= told + 10) onProgress(`Unpacked ${percent} %`);
        if (percent >= told + 10) told = percent;
      },
    });
    let files: readonly ProjectFile[] = [...unpacked.files].sort(byPath);
    let { folder } = unpacked;
    const [first, ...parts] = (files[0]?.path ?? '').split('/');
    // Made of the folder rather than of what is in it: a common slip, and plain what was meant.
    if (
      parts.length > 0 &&
      files.every(({ path }) => path.startsWith(`${first}/`)) &&
      !this.#isProject(files)
    ) {
      folder = join(folder, first ?? '');
      files = files.map((file) => ({ ...file, path: file.path.slice((first ?? '').length + 1) }));
    }
    return this.#complete(folder, files, staging, project, fallback);
  }

  /** From a folder of this machine, which is left as it is. Undefined when it holds no files. */
  async fromFolder(source: string, staging: string, project: string): Promise<MadeVersion | undefined> {
    const found = await findFiles(source, project);
    if (found.length === 0) return undefined;
    const copy = join(staging, 'copy');
    await copyFiles(source, copy, found);
    return this.#complete(copy, await hashFiles(copy, found), staging, project, project);
  }

  #isProject(files: readonly ProjectFile[]): boolean {
    const paths = files.map(({ path }) => path);
    return paths.includes(MANIFEST_FILE) || this.#kinds.some((kind) => kind.recognises(paths));
  }

  async #complete(
    source: string,
    files: readonly ProjectFile[],
    staging: string,
    asked: string | undefined,
    fallback: string,
  ): Promise<MadeVersion> {
    const manifest = await manifestOf(source, files, asked ?? fallback);
    const project = checkProjectName(asked ?? manifest.name ?? fallback);
    const paths = files.map(({ path }) => path);
    const language = languageOf(manifest, paths, this.#kinds, project);
    const folder = join(staging, 'version');
    await mkdir(folder, { mode: 0o755 });
    await chmod(source, 0o700);
    await rename(source, join(folder, 'files'));
    await setTreeMode(join(folder, 'files'), files, false);
    const record: VersionRecord = {
      id: versionId(files),
      project,
      language,
      createdUnixS: this.#nowUnixS(),
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      files: [...files],
      manifest,
    };
    await syncTree(join(folder, 'files'));
    await writeWhole(join(folder, 'version.json'), JSON.stringify(record));
    await sync(folder);
    return { folder, record };
  }
}
