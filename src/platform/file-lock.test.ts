import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { FileLock } from './file-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('is held by one at a time, and given back', async () => {
  const path = join(folder, 'lock');
  const first = FileLock.take(path);
  expect(first).toBeDefined();
  expect(FileLock.take(path)).toBeUndefined();
  expect(await FileLock.wait(path, 30)).toBeUndefined();
  const next = FileLock.wait(path, 20_000);
  first?.close();
  first?.close();
  const second = await next;
  expect(second).toBeDefined();
  second?.close();
});
