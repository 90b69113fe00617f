import type { ProjectDiff, ProjectFile } from './project-store.ts';

/** Paths that are new, gone, or hold something else (content or the right to execute). */
export function diffFiles(from: readonly ProjectFile[], to: readonly ProjectFile[]): ProjectDiff {
  const before = new Map(from.map((file) => [file.path, file]));
  const after = new Set(to.map(({ path }) => path));
  const added: string[] = [];
  const changed: string[] = [];
  for (const { path, sha256, executable } of to) {
    const old = before.get(path);
    if (old === undefined) added.push(path);
    else if (old.sha256 !== sha256 || old.executable !== executable) changed.push(path);
  }
  return { added, changed, removed: from.map(({ path }) => path).filter((path) => !after.has(path)) };
}
