import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { MyelinError } from '../../core/errors.ts';

/**
 * Makes a folder that is there whole or not at all: `fill` works in a temporary one beside it, which takes its place
 * at the end and is removed when anything fails.
 * @throws MyelinError INVALID_ARGUMENT when the folder is there already and not empty
 */
export async function newFolder(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const target = resolve(path);
  if (existsSync(target)) {
    const names = await readdir(target).catch(() => ['a file']);
    if (names.length > 0) {
      const allowed = 'a folder that does not exist yet, or is empty';
      throw new MyelinError('INVALID_ARGUMENT', { name: '--out', value: path, allowed });
    }
  }
  const temporary = `${target}.incomplete-${process.pid}`;
  await mkdir(dirname(target), { recursive: true });
  try {
    await mkdir(temporary);
    await fill(temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
