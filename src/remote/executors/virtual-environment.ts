import { existsSync, realpathSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { runConfinedStep, type StepFailure } from './confined-step.ts';
import type { PreparedVersion } from './executor.ts';
import { pythonInterpreter } from './python-interpreter.ts';

/** Written last: an environment without it is half-made and is made again. */
const COMPLETE = '.complete';
const LIMIT_MS = 15 * 60_000;
const MEMORY_MIB = 4096;

let installs = 0;

const pythonOf = (environment: string): string => join(environment, 'bin', 'python');

/** The interpreter of a finished environment; undefined when there is none. */
export const environmentPython = (environment: string): string | undefined =>
  existsSync(join(environment, COMPLETE)) ? pythonOf(environment) : undefined;

/**
 * Installs `requirements.txt` into a virtual environment of the version: with `uv` where there is one, else with
 * `venv` and `pip`. What is installed may bring code that runs while it is installed, so this happens in the sandbox,
 * with the network open. Packages are cached in `cacheFolder`.
 * @throws MyelinError PROJECT_INVALID with the installer's last lines; nothing is left then
 */
export async function makeEnvironment(
  version: PreparedVersion,
  cacheFolder: string,
  onProgress: (text: string) => void,
): Promise<void> {
  const { project, folder, environment, sandbox } = version;
  const requirements = join(folder, 'requirements.txt');
  if (!existsSync(requirements) || environmentPython(environment) !== undefined) return;
  const python = pythonInterpreter(project);
  await rm(environment, { recursive: true, force: true });
  await mkdir(environment, { recursive: true });
  await mkdir(cacheFolder, { recursive: true });
  const uv = findProgram('uv');
  const confinement = sandbox.confine({
    name: `${process.pid}-install-${++installs}`,
    readable: [folder, python.prefix, ...(uv === undefined ? [] : [dirname(realpathSync(uv))])],
    writable: [environment, cacheFolder],
    network: true,
    cameras: false,
    memoryMiB: MEMORY_MIB,
  });
  const run = async (command: readonly string[]) => {
    const env = installEnvironment(cacheFolder);
    const failure = await runConfinedStep(confinement, command, {
      cwd: folder,
      env,
      limitMs: LIMIT_MS,
      onLine: onProgress,
    });
    if (failure !== undefined) throw refused(project, failure);
  };
  try {
    for (const command of steps(uv, python.program, environment, requirements)) await run(command);
    await writeFile(join(environment, COMPLETE), '');
  } catch (error) {
    await rm(environment, { recursive: true, force: true });
    throw error;
  } finally {
    confinement.close();
  }
}

const steps = (uv: string | undefined, python: string, environment: string, requirements: string) =>
  uv === undefined
    ? [
        [python, '-m', 'venv', environment],
        [
          pythonOf(environment),
          '-m',
          'pip',
          'install',
          '--no-input',
          '--disable-pip-version-check',
          '-r',
          requirements,
        ],
      ]
    : [
        [uv, 'venv', '--quiet', '--python', python, environment],
        [uv, 'pip', 'install', '--python', pythonOf(environment), '-r', requirements],
      ];

/** Where packages come from may be set for this machine; nothing else of our environment is handed on. */
function installEnvironment(cacheFolder: string): NodeJS.ProcessEnv {
  const handedOn = Object.entries(process.env).filter(([name]) =>
    /^(PATH|LANG|PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|CERT|CONFIG_FILE|NO_INDEX|FIND_LINKS)|UV_(INDEX_URL|DEFAULT_INDEX)|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(HTTPS?|NO|ALL)_PROXY)$/i.test(
      name,
    ),
  );
  return {
    ...Object.fromEntries(handedOn),
    HOME: cacheFolder,
    TMPDIR: '/tmp',
    XDG_CACHE_HOME: cacheFolder,
    UV_CACHE_DIR: join(cacheFolder, 'uv'),
    UV_LINK_MODE: 'copy',
    PIP_CACHE_DIR: join(cacheFolder, 'pip'),
    PYTHONUNBUFFERED: '1',
  };
}

function refused(project: string, failure: NonNullable<StepFailure>): MyelinError {
  const noVenv = /ensurepip|No module named venv/.test(failure);
  const advice = noVenv
    ? 'Python has no venv here: apt-get install -y python3-venv'
    : 'Correct requirements.txt, or check that this machine reaches the package index (PIP_INDEX_URL names another).';
  return new MyelinError('PROJECT_INVALID', {
    project,
    reason: `its requirements could not be installed: ${failure}`,
    advice,
  });
}

const findProgram = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
