import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import config from '../vitest.config.ts';

it('runs every group of tests by one of the commands', () => {
  const bootstrap = readFileSync(new URL('../bootstrap.mjs', import.meta.url), 'utf8');
  const groups = (config.test?.projects ?? []).map(
    (project) => (project as { test: { name: string } }).test.name,
  );
  expect(groups.length).toBeGreaterThan(3);
  expect(groups.filter((name) => !bootstrap.includes(`'${name}'`))).toEqual([]);
});
