import { existsSync } from 'node:fs';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { ChildExecutor } from './child-executor.ts';
import type { ExecutorKind } from './executor.ts';

const ENTRIES = ['main', 'bin/main', 'build/main'];

/** C++ projects: an executable built with `cpp/myelin.hpp`. Anything else that speaks its protocol will do. */
export const cppKind = (): ExecutorKind => ({
  language: 'cpp',
  recognises: (files) => ENTRIES.some((entry) => files.includes(entry)),
  // Archives often lose the permission to execute.
  prepare: async ({ project, folder, entry }) => {
    const file = join(folder, entry ?? findEntry(folder));
    if (!existsSync(file)) {
      const advice = 'Name it in myelin.yaml: entry: build/robot';
      throw new MyelinError('PROJECT_INVALID', { project, reason: 'its executable is missing', advice });
    }
    const { mode } = await stat(file);
    if ((mode & 0o100) === 0) await chmod(file, mode | 0o100);
  },
  create: (options) =>
    new ChildExecutor(options, () => ({
      command: [join(options.folder, options.entry ?? findEntry(options.folder))],
      pipes: 'standard',
      readable: [],
    })),
});

const findEntry = (folder: string): string =>
  ENTRIES.find((entry) => existsSync(join(folder, entry))) ?? 'main';
