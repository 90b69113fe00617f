import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFileSource } from './file-source.ts';

const ppm = (width: number, value: number): Buffer =>
  Buffer.concat([Buffer.from(`P6\n${width} 1\n255\n`), Buffer.alloc(width * 3, value)]);

describe('openFileSource', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'myelin-files-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const folderOf = (name: string, files: Readonly<Record<string, Buffer>>): string => {
    const path = join(folder, name);
    mkdirSync(path);
    for (const [file, bytes] of Object.entries(files)) writeFileSync(join(path, file), bytes);
    return path;
  };

  it('plays pictures in the order of their names, over and over, each later than the one before', async () => {
    const path = folderOf('order', { 'b.ppm': ppm(2, 2), 'a.ppm': ppm(2, 1), 'notes.txt': Buffer.from('x') });
    const source = openFileSource(path, 1000);
    const rgb = new Uint8Array(6);
    const seen: number[] = [];
    let last = 0;
    for (let i = 0; i < 5; i++) {
      const capturedNs = (await source.next(rgb))!;
      expect(capturedNs).toBeGreaterThan(last);
      last = capturedNs;
      seen.push(rgb[5]!);
    }
    expect(seen).toEqual([1, 2, 1, 2, 1]);
    source.close();
  });

  it('stops a wait at once', async () => {
    const path = folderOf('stop', { 'a.ppm': ppm(1, 1) });
    const source = openFileSource(path, 0.01);
    const waiting = source.next(new Uint8Array(3));
    source.stop();
    expect(await waiting).toBeUndefined();
    expect(await source.next(new Uint8Array(3))).toBeUndefined();
  });

  it('refuses a missing path, an empty folder, and pictures of two sizes', () => {
    expect(() => openFileSource(join(folder, 'none'), 30)).toThrow(/does not exist/);
    expect(() => openFileSource(folderOf('empty', {}), 30)).toThrow(/holds no \.png or \.ppm/);
    expect(() => openFileSource(folderOf('mixed', { 'a.ppm': ppm(1, 1), 'b.ppm': ppm(2, 1) }), 30)).toThrow(
      /it is 2x1 and the first one 1x1/,
    );
  });
});
