import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from './entry.ts';

it('ships every folder that the program reads beside its own code', () => {
  const { files } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    files: readonly string[];
  };
  for (const path of [
    'projects/default/main.py',
    'examples/projects/python-hello/myelin.yaml',
    'examples/projects/javascript-hello/myelin.yaml',
    'examples/projects/cpp-hello/myelin.yaml',
    'python/run_project.py',
    'python/myelin/__init__.py',
    'cpp/myelin.hpp',
    'cpp/myelin_arm.hpp',
    'examples/projects/python-wave/main.py',
    'examples/projects/javascript-square/main.mjs',
    'examples/projects/cpp-gripper/Makefile',
    'models/arx-x5',
  ]) {
    expect(existsSync(join(packageRoot(), path)), path).toBe(true);
    expect(files).toContain(path.split('/')[0]);
  }
  expect(files).toContain('dist');
});
