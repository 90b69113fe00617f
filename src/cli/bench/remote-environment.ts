import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../platform/entry.ts';

/** What the rival is made of. The rest comes with it. */
const PACKAGES = [
  'fastapi==0.165.0',
  'uvicorn[standard]==0.54.0',
  'python-socketio==5.18.1',
  'pyzmq==27.3.0',
];

/** For the table's notes. */
export const RIVAL_PACKAGES = PACKAGES.join(', ');

/**
 * A Python with the rival's packages, in a virtual environment of its own that is made once. `why` says why there is
 * none: no Python, or no package index that answers.
 */
export function rivalPython(): { readonly python: string } | { readonly why: string } {
  const folder = join(packageRoot(), '.cache', 'remote-rival-venv');
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return { python };
  const probe = 'import sys, venv; assert sys.version_info >= (3, 10)';
  const base = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10'].find(
    (name) => spawnSync(name, ['-c', probe]).status === 0,
  );
  if (base === undefined) return { why: 'there is no Python 3.10 or newer with venv' };
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(dirname(folder), { recursive: true });
    execFileSync(base, ['-m', 'venv', folder], { stdio: 'pipe' });
    const install = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...PACKAGES];
    execFileSync(python, install, { stdio: 'pipe' });
    writeFileSync(complete, '');
    return { python };
  } catch (thrown) {
    const [reason] = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n');
    return { why: `its packages could not be installed: ${reason}` };
  }
}
