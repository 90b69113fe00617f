import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile, lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { isLitter } from './litter.ts';
import type { ProjectFile } from './project-store.ts';
import { byPath } from './version-id.ts';

export interface FoundFile {
  readonly path: string;
  readonly bytes: number;
  readonly executable: boolean;
  /** Changes whenever the file does, as far as the file system tells. */
  readonly stamp: string;
  /** Last change of content or mode. No program can set it back. */
  readonly changedUnixMs: number;
}

/** The files below a folder, sorted by path, and what is neither file nor folder. */
export interface FoundInFolder {
  readonly files: readonly FoundFile[];
  readonly others: readonly string[];
}

/** Looks through a folder, except for what `leaveOut` says. Nothing when the folder does not exist. */
export async function lookThrough(
  folder: string,
  leaveOut: (path: string, name: string, isFolder: boolean) => boolean,
): Promise<FoundInFolder> {
  const files: FoundFile[] = [];
  const others: string[] = [];
  const visit = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (leaveOut(path, entry.name, entry.isDirectory())) continue;
      if (entry.isDirectory()) await visit(path);
      else if (!entry.isFile()) others.push(path);
      else {
        const { size, mode, mtimeMs, ctimeMs, ino } = await lstat(join(folder, path));
        const stamp = `${ino} ${size} ${mode} ${mtimeMs} ${ctimeMs}`;
        files.push({ path, bytes: size, executable: (mode & 0o100) !== 0, stamp, changedUnixMs: ctimeMs });
      }
    }
  };
  try {
    await visit('');
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if ((code !== 'ENOENT' && code !== 'ENOTDIR') || files.length > 0) throw thrown;
  }
  return { files: files.sort(byPath), others };
}

/**
 * The files of a project's folder, without what tools leave behind.
 * @throws MyelinError PROJECT_INVALID at a link or a device: a version holds files only
 */
export async function findFiles(folder: string, project: string): Promise<readonly FoundFile[]> {
  const { files, others } = await lookThrough(folder, (_, name, isFolder) => isLitter(name, isFolder));
  const [other] = others;
  if (other === undefined) return files;
  const reason = `${other} is neither a file nor a folder`;
  throw new MyelinError('PROJECT_INVALID', { project, reason, advice: 'Put the file itself there.' });
}

/** Hashes files below a folder. */
export async function hashFiles(folder: string, files: readonly FoundFile[]): Promise<ProjectFile[]> {
  const hashed: ProjectFile[] = [];
  for (const { path, bytes, executable } of files) {
    hashed.push({ path, bytes, executable, sha256: await hashFile(join(folder, path)) });
  }
  return hashed;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Copies files from one folder to another, which is made; shares their blocks where the file system can. */
export async function copyFiles(
  from: string,
  to: string,
  files: readonly { readonly path: string }[],
): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const { path } of files) {
    const slash = path.lastIndexOf('/');
    if (slash > 0) await mkdir(join(to, path.slice(0, slash)), { recursive: true });
    await copyFile(join(from, path), join(to, path), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}
