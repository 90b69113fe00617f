import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { distEntry, packageRoot } from '../../platform/entry.ts';
import { ChildExecutor } from './child-executor.ts';
import type { ExecutorKind } from './executor.ts';

const ENTRIES = ['main.mjs', 'main.js', 'main.mts', 'main.ts'];

/** JavaScript projects, TypeScript ones where this Node reads it: an ES module whose exports can be called. */
export const javascriptKind = (): ExecutorKind => ({
  language: 'javascript',
  recognises: (files) => ENTRIES.some((entry) => files.includes(entry)),
  create: (options) =>
    new ChildExecutor(options, () => {
      const runner = distEntry('remote/executors/runner/javascript-runner.js');
      // V8 reserves far more than it uses, so it gets a bound of its own below that of the sandbox.
      const heap = `--max-old-space-size=${Math.round(options.memoryMiB * 0.75)}`;
      return {
        command: [process.execPath, heap, runner, options.folder, options.entry ?? findEntry(options.folder)],
        pipes: 'own',
        readable: [...ownFiles(), dirname(dirname(process.execPath))],
      };
    }),
});

const findEntry = (folder: string): string =>
  ENTRIES.find((entry) => existsSync(join(folder, entry))) ?? 'main.mjs';

/** The runner and what `myelin/arm` needs: our own code and the native module that maps shared memory. */
function ownFiles(): string[] {
  const native = dirname(fileURLToPath(import.meta.resolve('koffi')));
  return [
    ...[join(packageRoot(), 'dist'), join(packageRoot(), 'package.json')],
    // Its binaries are packages of their own beside it.
    ...[native, join(dirname(native), '@koromix')],
  ];
}
