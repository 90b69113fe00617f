import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MappedFile } from './mapped-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-mapped-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a mapped file', () => {
  it('shows what is stored to other processes at once', () => {
    const path = join(folder, 'shared');
    using file = MappedFile.create(path, 8192);
    new Uint8Array(file.buffer).set([1, 2, 3], 5000);
    expect([...readFileSync(path).subarray(5000, 5003)]).toEqual([1, 2, 3]);
  });

  it('starts empty, whatever was there before', () => {
    const path = join(folder, 'old');
    writeFileSync(path, 'x'.repeat(20_000));
    using file = MappedFile.create(path, 4096);
    expect(new Uint8Array(file.buffer).every((byte) => byte === 0)).toBe(true);
    expect(readFileSync(path).length).toBe(4096);
  });

  it('stays on disk and does not crash those who kept a view when it is closed', () => {
    const path = join(folder, 'closed');
    const file = MappedFile.create(path, 4096);
    const view = new Uint8Array(file.buffer);
    view[0] = 7;
    file.close();
    file.close();
    view[0] = 9;
    expect(readFileSync(path)[0]).toBe(7);
  });

  it('is refused on a full disk, and leaves nothing', () => {
    const path = join(folder, 'large');
    // More than any disk of a test machine: the file system refuses to reserve it.
    expect(() => MappedFile.create(path, 2 ** 52)).toThrow(/large cannot be written/);
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['/no/such/folder/file', 'ENOENT'],
    [folder, 'EISDIR'],
    ['/dev/null', 'not a plain file'],
  ])('%s is refused because of %s', (path, reason) => {
    expect(() => MappedFile.create(path, 4096)).toThrow(reason);
    expect(execFileSync('stat', ['-c', '%F', '/dev/null'], { encoding: 'utf8' })).toContain('character');
  });
});
