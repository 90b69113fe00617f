import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { packageRoot } from '../../platform/entry.ts';
import { checkProjectName, MANIFEST_FILE } from '../../remote/projects/manifest.ts';

/** Without them a C++ project cannot be built elsewhere. */
const HEADERS = ['myelin.hpp', 'myelin_arm.hpp'];

/** Makes a folder with a small project in it, named after the folder. */
export async function init(folder: string, language: string): Promise<void> {
  const target = resolve(folder);
  const name = checkProjectName(basename(target));
  if (existsSync(target) && (await readdir(target).catch(() => ['a file'])).length > 0) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: '<folder>',
      value: folder,
      allowed: 'a folder that does not exist yet, or is empty',
    });
  }
  const made = !existsSync(target);
  try {
    await mkdir(target, { recursive: true });
    await cp(join(packageRoot(), 'examples', 'projects', `${language}-hello`), target, { recursive: true });
    for (const header of language === 'cpp' ? HEADERS : []) {
      const shipped = join(packageRoot(), 'cpp', header);
      if (existsSync(shipped)) await cp(shipped, join(target, header));
    }
    const manifest = join(target, MANIFEST_FILE);
    const text = await readFile(manifest, 'utf8');
    await writeFile(manifest, text.replace(/^name: .*$/m, `name: ${name}`));
  } catch (thrown) {
    if (made) await rm(target, { recursive: true, force: true });
    throw thrown;
  }
  process.stdout.write(`Made ${folder}. Next:\n  myelin project dev ${folder}\n`);
}
