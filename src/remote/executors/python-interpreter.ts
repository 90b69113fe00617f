import { spawnSync } from 'node:child_process';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';

export interface PythonInterpreter {
  readonly program: string;
  /** Folder of its standard library and its programs. */
  readonly prefix: string;
  readonly version: readonly number[];
}

const PROBE =
  'import json, sys; print(json.dumps([sys.executable, sys.base_prefix, list(sys.version_info[:3])]))';
const answerSchema = z.tuple([z.string().min(1), z.string().min(1), z.array(z.number()).length(3)]);
const found = new Map<string, PythonInterpreter | string>();

/**
 * The interpreter behind a name, asked once. A name may be a launcher (pyenv), which a sandbox could not start.
 * @throws MyelinError PROJECT_INVALID when there is none, or when it is older than 3.8
 */
export function pythonInterpreter(
  project: string,
  name = process.env.MYELIN_PYTHON ?? 'python3',
): PythonInterpreter {
  const known = found.get(name) ?? probe(name);
  found.set(name, known);
  if (typeof known !== 'string') return known;
  const advice =
    'Install Python 3.8 or newer (apt-get install -y python3 python3-venv), or name one: MYELIN_PYTHON=/path/to/python3';
  throw new MyelinError('PROJECT_INVALID', { project, reason: known, advice });
}

function probe(name: string): PythonInterpreter | string {
  const { stdout, status, error } = spawnSync(name, ['-c', PROBE], { encoding: 'utf8', timeout: 20_000 });
  if (error !== undefined || status !== 0)
    return `${name} does not start here (${error?.message ?? `code ${status}`})`;
  const [program, prefix, version] = answerSchema.parse(JSON.parse(stdout));
  const [major = 0, minor = 0] = version;
  if (major < 3 || (major === 3 && minor < 8))
    return `${name} is Python ${version.join('.')}, older than 3.8`;
  return { program, prefix, version };
}
