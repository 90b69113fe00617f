import { resolve } from 'node:path';
import { build, type Rolldown } from 'vite';
import { expect, it } from 'vitest';

it('the client bundles for a browser, with nothing of Node in it', async () => {
  const result = (await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      lib: { entry: resolve(import.meta.dirname, '../src/remote/client/index.ts'), formats: ['es'] },
      rollupOptions: {
        onwarn(warning) {
          // Vite replaces what a browser has not by an empty module, and warns.
          throw new Error(warning.message);
        },
      },
    },
  })) as Rolldown.RolldownOutput[];
  const chunks = result.flatMap(({ output }) => output).filter((part) => part.type === 'chunk');
  expect(chunks.flatMap(({ imports }) => imports)).toEqual([]);
  expect(
    chunks.flatMap(({ moduleIds }) => moduleIds).filter((id) => /__vite-browser-external|^node:/.test(id)),
  ).toEqual([]);
  expect(chunks.flatMap(({ exports }) => exports)).toContain('MyelinClient');
});
