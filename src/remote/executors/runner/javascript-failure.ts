import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** An exception as it is told: see docs/protocols/remote.md. */
export interface ToldFailure {
  readonly type: string;
  readonly message: string;
  readonly traceback: string;
}

const HERE = dirname(fileURLToPath(import.meta.url));
const MOST_CHARACTERS = 16 * 1024;

/** What a project threw, with a stack that has its own frames only and paths relative to its folder. */
export function describeFailure(thrown: unknown, folder: string): ToldFailure {
  if (!(thrown instanceof Error)) return { type: 'Error', message: String(thrown), traceback: '' };
  const root = `${pathToFileURL(folder).href}/`;
  const traceback = (thrown.stack ?? '')
    .split('\n')
    .filter((line) => !line.includes(HERE) && !line.includes('node:internal'))
    .join('\n')
    .replaceAll(root, '')
    .replaceAll(`${folder}/`, '')
    .slice(0, MOST_CHARACTERS);
  return { type: thrown.name, message: thrown.message, traceback };
}
