import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import type { Executor, ExecutorOptions } from '../../src/remote/executors/executor.ts';
import { ExecutorKinds } from '../../src/remote/executors/kinds.ts';
import { MachineSandbox } from '../../src/remote/sandbox/machine-sandbox.ts';

const folders: string[] = [];
const executors: Executor[] = [];

export const sandbox = MachineSandbox.detect(false);
export const layerIsOn = (layer: string): boolean =>
  sandbox.layers.some((candidate) => candidate.layer === layer && candidate.active);

/** A folder of its own, removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-projects-'));
  folders.push(folder);
  return folder;
}

/** Writes files (path to text) below a new folder. */
export function writeProject(files: Readonly<Record<string, string>>, root = temporaryFolder()): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    if (text.startsWith('#!')) chmodSync(join(root, path), 0o755);
  }
  return root;
}

/** An executor for a project of these files, and what it said without being asked. */
export function executorFor(
  language: 'python' | 'cpp' | 'javascript',
  files: Readonly<Record<string, string>>,
  options: Partial<ExecutorOptions> = {},
) {
  const root = temporaryFolder();
  const pushes: { event: string; data: unknown }[] = [];
  const log: string[] = [];
  const exits: string[] = [];
  const dataFolder = join(root, 'data');
  mkdirSync(dataFolder);
  const executor = new ExecutorKinds(join(root, 'cache')).of(language).create({
    project: 'test',
    folder: writeProject(files, join(root, 'files')),
    environment: join(root, 'environment'),
    dataFolder,
    maxExecutionMs: 30_000,
    loadTimeoutMs: 30_000,
    sandbox,
    network: false,
    memoryMiB: 512,
    onPush: (event, data) => pushes.push({ event, data }),
    onLog: (stream, text) => log.push(`${stream}: ${text}`),
    onExit: (reason) => exits.push(reason),
    ...options,
  });
  executors.push(executor);
  return { executor, pushes, log, exits, root, dataFolder };
}

afterEach(async () => {
  await Promise.all(executors.splice(0).map((executor) => executor.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
