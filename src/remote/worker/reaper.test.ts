import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { Reaper } from './reaper.ts';
import { SocketFile } from './socket-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-reaper-'));
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

async function listen(path: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(path, done));
  closers.push(() => server.close());
  return server;
}

it('removes the sockets of its worker, and not those of the next one at the same paths', async () => {
  const [left, taken] = [join(folder, 'left.ipc'), join(folder, 'taken.ipc')];
  const files = [await SocketFile.claim(`ipc://${left}`), await SocketFile.claim(`ipc://${taken}`)];
  for (const file of files) {
    await listen(file.path);
    file.bound();
    expect(spawnSync('stat', ['-c', '%i %.9Y', file.path], { encoding: 'utf8' }).stdout.trim()).toBe(
      file.identity,
    );
  }
  const reaper = new Reaper({ sockets: files, viewsFolder: join(folder, 'views'), cgroupFolders: [] });
  // The next worker removes what the one before left, and file systems give its inode to the next file.
  const before = statSync(taken).mtimeMs;
  rmSync(taken);
  await listen(taken);
  expect(statSync(taken).mtimeMs).not.toBe(before);
  reaper.close();
  await vi.waitFor(() => expect(existsSync(left)).toBe(false), 10_000);
  expect(existsSync(taken)).toBe(true);
  for (const file of files) file.close();
  expect(existsSync(taken)).toBe(true);
});
