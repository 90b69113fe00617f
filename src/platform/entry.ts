import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MyelinError } from '../core/errors.ts';

let root: string | undefined;

/** The folder that holds Myelin's package.json, whether this file runs from `src/` or from `dist/`. */
export function packageRoot(): string {
  if (root !== undefined) return root;
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isPackage(join(folder, 'package.json'))) folder = dirname(folder);
  root = folder;
  return root;
}

const isPackage = (file: string): boolean => {
  if (dirname(file) === dirname(dirname(file))) throw new MyelinError('FILE_NOT_FOUND', { file });
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'myelin';
};

/**
 * Absolute path of a compiled file, to start as `node <path>`: `distEntry('control/loop-process.js')`.
 * @throws MyelinError NOT_BUILT when it has not been compiled.
 */
export function distEntry(path: string): string {
  const file = join(packageRoot(), 'dist', path);
  if (!existsSync(file)) throw new MyelinError('NOT_BUILT', { file });
  return file;
}
