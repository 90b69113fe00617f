import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const PARITY = join(ROOT, 'tools/parity');
const VENV = join(ROOT, '.cache/parity-venv');
const LEROBOT = join(ROOT, '.cache/lerobot-0.4.4');
const PACKAGES =
  'torch==2.13.0 numpy safetensors einops draccus==0.10.0 jsonlines huggingface_hub datasets accelerate imageio diffusers pyserial deepdiff av pillow gymnasium';

/** LeRobot 0.4.4 runs on 3.10 and 3.11; PyTorch's wheel must exist for it too. */
const python = ['python3.11', 'python3'].find(
  (name) =>
    spawnSync(name, ['-c', 'import sys, venv; assert sys.version_info[:2] in ((3, 10), (3, 11))']).status ===
    0,
);

/**
 * Installs LeRobot and what it needs, once; it stays in `.cache`. Whether that was possible; why not is said on the
 * console.
 */
function installed(): boolean {
  if (python === undefined) {
    console.log('interop: skipped, there is no Python 3.10 or 3.11 with venv');
    return false;
  }
  if (existsSync(join(VENV, 'complete'))) return true;
  const pip = (args: string) =>
    execFileSync(join(VENV, 'bin/pip'), ['install', '-q', ...args.split(' ')], { stdio: 'pipe' });
  try {
    rmSync(VENV, { recursive: true, force: true });
    mkdirSync(join(ROOT, '.cache'), { recursive: true });
    execFileSync(python, ['-m', 'venv', VENV]);
    pip(PACKAGES);
    pip('--no-deps torchvision==0.28.0');
    pip(`--no-deps --upgrade --target ${LEROBOT} lerobot==0.4.4`);
    mkdirSync(join(VENV, 'complete'));
    return true;
  } catch (thrown) {
    const [reason] = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n');
    console.log(`interop: skipped, PyPI could not be used: ${reason}`);
    return false;
  }
}

/** The recorded references in the tree are what LeRobot's own code answers today, on this machine. */
describe.skipIf(!installed())("LeRobot's own ACT", () => {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-parity-'));
  beforeAll(() => {
    cpSync(PARITY, folder, { recursive: true, filter: (path) => !path.includes('fixtures') });
    execFileSync(join(VENV, 'bin/python'), [join(folder, 'make_act.py'), '--lerobot-src', LEROBOT], {
      stdio: 'pipe',
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const cases = readdirSync(join(PARITY, 'fixtures/act')).filter((name) => !name.startsWith('legacy'));
  it.each(cases)('still answers as recorded: %s', (name) => {
    const numbers = (root: string): number[] =>
      (
        readFileSync(join(root, 'fixtures/act', name, 'reference.json'), 'utf8').match(
          /-?\d+(\.\d+)?(e-?\d+)?/g,
        ) ?? []
      ).map(Number);
    const recorded = numbers(PARITY);
    const now = numbers(folder);
    expect(now.length).toBe(recorded.length);
    const difference = Math.max(...now.map((value, i) => Math.abs(value - (recorded[i] ?? Number.NaN))));
    expect(difference).toBeLessThan(1e-4);
  });
});
