import { createHash } from 'node:crypto';
import type { ProjectFile } from './project-store.ts';

/** By code point, the same everywhere. */
export const byPath = (a: { path: string }, b: { path: string }): number =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0;

/** The id of the version that has these files, in any order: 64 hexadecimal digits. */
export function versionId(files: readonly ProjectFile[]): string {
  const hash = createHash('sha256');
  for (const { path, executable, sha256 } of [...files].sort(byPath)) {
    hash.update(`${path}\0${executable ? 'x' : '-'}\0${sha256}\n`);
  }
  return hash.digest('hex');
}
