import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { RARELY } from './heap-growth.ts';

it('is a flag that this V8 knows: one it does not know it would only complain of', () => {
  const told = (flag: string) =>
    spawnSync(process.execPath, ['-e', `require('node:v8').setFlagsFromString('${flag}')`], {
      encoding: 'utf8',
    }).stderr;
  expect(told('--no-such-flag=1')).toContain('unrecognized');
  expect(told(RARELY)).toBe('');
});
