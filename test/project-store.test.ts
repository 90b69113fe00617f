import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DiskStore } from '../src/remote/projects/disk-store.ts';
import { zip } from './support/zip-writer.ts';

const CHILD = resolve(import.meta.dirname, 'support/store-child.mjs');
/** Each ends with four kills. `MYELIN_STORE_ROUNDS=25` makes it a hundred. */
const ROUNDS = Number(process.env.MYELIN_STORE_ROUNDS ?? 8);

let root: string;
let storageDir: string;
let archives: string[];
const children = new Set<ChildProcess>();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'myelin-crash-'));
  storageDir = join(root, 'projects');
  mkdirSync(storageDir);
  archives = Array.from({ length: 6 }, (_, index) => {
    const file = join(root, `${index}.zip`);
    const files = Array.from({ length: 8 }, (__, part) => ({
      name: `lib/${part}.py`,
      data: `${index}\n`.repeat(500),
    }));
    writeFileSync(file, zip([{ name: 'main.py', data: `version = ${index}`, method: 8 }, ...files]));
    return file;
  });
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

/** Processes that have loaded everything and wait for the word. */
async function four(): Promise<ChildProcess[]> {
  const all = [0, 1, 2, 3].map(() => {
    const child = spawn(process.execPath, [CHILD, storageDir, ...archives], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  });
  await Promise.all(all.map((child) => once(child.stdout as NodeJS.ReadableStream, 'data')));
  return all;
}

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

it('is whole after kill -9 at any moment, of processes that add and switch at once', async () => {
  const kinds = [
    { language: 'python' as const, recognises: (files: readonly string[]) => files.includes('main.py') },
  ];
  let next = four();
  let changed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const all = await next;
    if (round + 1 < ROUNDS) next = four();
    let said = '';
    // From the very beginning to the middle of the fourth switch, wherever that may be on this machine.
    const switches = Math.floor(Math.random() * 4);
    const enough = new Promise<void>((done) => {
      for (const child of all) {
        child.stdout?.on('data', (text: Buffer) => {
          said += text.toString();
          if (said.split('switched').length > switches) done();
        });
      }
    });
    const gone = all.map((child) => once(child, 'exit'));
    for (const child of all) child.stdin?.write('go\n');
    await enough;
    await new Promise((done) => setTimeout(done, Math.random() * 60));
    for (const child of all) child.kill('SIGKILL');
    await Promise.all(gone);
    expect(said).not.toContain('failed');

    const store = await DiskStore.open({ storageDir, kinds });
    expect(readdirSync(join(storageDir, 'staging'))).toEqual([]);
    expect(readdirSync(join(storageDir, 'trash'))).toEqual([]);
    const summaries = await store.list();
    // What lies on the shelf is whole.
    expect(readdirSync(join(storageDir, 'versions')).length).toBeLessThanOrEqual(1);
    for (const { project, versions } of summaries) {
      expect(readdirSync(join(storageDir, 'versions', project))).toHaveLength(versions.length);
      for (const { folder, files } of versions) {
        expect(files).toHaveLength(9);
        for (const { path, sha256: hash } of files) expect(sha256(join(folder, path))).toBe(hash);
      }
    }
    if (summaries[0]?.current === undefined) continue;
    // What is in use is one of them, not something in between, and the link leads to a copy of it.
    const current = await store.current();
    expect(current.id).toBe(summaries[0].current);
    for (const { path, sha256: hash } of current.files) {
      expect(sha256(join(storageDir, 'current', path))).toBe(hash);
    }
    expect(readdirSync(join(storageDir, 'work'))).toHaveLength(1);
    changed += 1;
  }
  expect(changed).toBeGreaterThan(ROUNDS / 2);
}, 300_000);
