import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

export interface Venv {
  /** Folder within `.cache`. */
  readonly name: string;
  /** Oldest and newest minor version of Python 3 that its packages have wheels for. */
  readonly minor: readonly [oldest: number, newest: number];
  /** Arguments of `pip install`, one call after the other. */
  readonly installs: readonly string[];
}

/** A Python of these versions that can make environments. */
function pythonOf([oldest, newest]: Venv['minor']): string | undefined {
  const versions = Array.from({ length: newest - oldest + 1 }, (_, i) => `python3.${newest - i}`);
  const check = `import sys, venv; assert (3, ${oldest}) <= sys.version_info[:2] <= (3, ${newest})`;
  return [...versions, 'python3'].find((name) => spawnSync(name, ['-c', check]).status === 0);
}

/**
 * A Python with these packages, installed from PyPI once into `.cache`; undefined, with the reason on the console,
 * where that is not possible.
 */
export function venvPython({ name, minor, installs }: Venv): string | undefined {
  const folder = join(ROOT, '.cache', name);
  const program = join(folder, 'bin/python');
  if (existsSync(join(folder, 'complete'))) return program;
  const python = pythonOf(minor);
  if (python === undefined) {
    console.log(`interop: skipped, there is no Python 3.${minor[0]} to 3.${minor[1]} with venv`);
    return undefined;
  }
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(ROOT, '.cache'), { recursive: true });
    execFileSync(python, ['-m', 'venv', folder]);
    for (const packages of installs)
      execFileSync(join(folder, 'bin/pip'), ['install', '-q', ...packages.split(' ')], { stdio: 'pipe' });
    writeFileSync(join(folder, 'complete'), '');
    return program;
  } catch (thrown) {
    const [reason] = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n');
    console.log(`interop: skipped, PyPI could not be used: ${reason}`);
    return undefined;
  }
}
