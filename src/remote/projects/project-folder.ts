import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { type FoundInFolder, lookThrough } from './folder-files.ts';
import { IgnoreRules } from './ignore-rules.ts';
import { isLitter } from './litter.ts';

const RULE_FILES = ['.gitignore', '.myelinignore'];
/** Never part of a project: huge and made anew on the robot, or of the editor. */
const NEVER = new Set(['node_modules', '.hg', '.svn', '.idea', '.vscode']);

/**
 * The files of a project that somebody works on: all but what `.gitignore` and `.myelinignore` in it, and good sense,
 * leave out.
 * @throws MyelinError FILE_NOT_FOUND
 */
export async function readProjectFolder(folder: string): Promise<FoundInFolder> {
  if (!existsSync(folder)) throw new MyelinError('FILE_NOT_FOUND', { file: folder });
  const texts = await Promise.all(
    RULE_FILES.map((name) => readFile(join(folder, name), 'utf8').catch(() => '')),
  );
  const rules = new IgnoreRules(texts.join('\n'));
  return lookThrough(
    folder,
    (path, name, isFolder) =>
      isLitter(name, isFolder) ||
      (isFolder && NEVER.has(name)) ||
      RULE_FILES.includes(path) ||
      rules.ignores(path, isFolder),
  );
}
