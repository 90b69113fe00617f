import { join } from 'node:path';
import { packageRoot } from '../../platform/entry.ts';
import { ChildExecutor } from './child-executor.ts';
import type { ExecutorKind } from './executor.ts';
import { pythonInterpreter } from './python-interpreter.ts';
import { environmentPython, makeEnvironment } from './virtual-environment.ts';

/** Python projects: `main.py` is imported, its global instances and its functions can be called. */
export const pythonKind = (cacheFolder: string): ExecutorKind => ({
  language: 'python',
  recognises: (files) => files.includes('main.py'),
  prepare: (version, onProgress) => makeEnvironment(version, cacheFolder, onProgress),
  create: (options) =>
    new ChildExecutor(options, () => {
      const { project, folder, environment, entry = 'main.py' } = options;
      const system = pythonInterpreter(project);
      const helper = join(packageRoot(), 'python');
      return {
        command: [
          environmentPython(environment) ?? system.program,
          join(helper, 'run_project.py'),
          folder,
          entry,
        ],
        env: {
          PYTHONUNBUFFERED: '1',
          PYTHONUTF8: '1',
          // The project's folder cannot be written.
          PYTHONDONTWRITEBYTECODE: '1',
          PYTHONNOUSERSITE: '1',
        },
        pipes: 'own, orders',
        readable: [helper, system.prefix],
      };
    }),
});
