import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Uploads } from './uploads.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'myelin-uploads-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function* parts(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

it('removes what a gateway before it left, and nothing that others put there', async () => {
  const before = new Uploads(folder);
  await before.open();
  const { file, bytes } = await before.fromStream(parts('one', 'two'), 100);
  expect(bytes).toBe(6);
  writeFileSync(join(folder, 'worker-7-1.zip'), 'an archive the worker unpacks just now');
  expect(readdirSync(folder).sort()).toEqual([basename(file), 'worker-7-1.zip'].sort());
  await new Uploads(folder).open();
  expect(readdirSync(folder)).toEqual(['worker-7-1.zip']);
});

it('keeps nothing of an upload that is too long', async () => {
  const uploads = new Uploads(folder);
  await uploads.open();
  await expect(uploads.fromStream(parts('1234', '5678'), 6)).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
  });
  expect(readdirSync(folder)).toEqual([]);
});
