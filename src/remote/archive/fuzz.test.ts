import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { zip } from '../../../test/support/zip-writer.ts';
import { pack } from './pack.ts';
import { type Unpacked, unpack } from './unpack.ts';

const root = mkdtempSync(join(tmpdir(), 'myelin-fuzz-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const SEEDS = [
  zip([
    { name: 'main.py', method: 8, data: 'print(1)\n'.repeat(100) },
    { name: 'lib/' },
    { name: 'lib/a.py', data: 'x = 1' },
    { name: 'tool', data: '#!/bin/sh', mode: 0o100755 },
  ]),
  zip(
    [
      { name: 'main.py', data: 'a' },
      { name: 'b', method: 8, data: 'b'.repeat(3000) },
    ],
    { zip64: true },
  ),
];

const mutation = fc.record({
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  /** Half of them hit the directory at the end, where the structure is. */
  fromEnd: fc.boolean(),
  kind: fc.constantFrom('flip', 'set', 'word', 'cut', 'insert', 'repeat'),
  value: fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 0xff, 0xffff, 0xffffffff, 0x2e2e2f, 0x5c, 0x2f)),
});

function mutate(
  bytes: Buffer,
  { at, fromEnd, kind, value }: { at: number; fromEnd: boolean; kind: string; value: number },
) {
  const length = bytes.length;
  const position = fromEnd ? Math.max(0, length - 1 - Math.floor(at * 220)) : Math.floor(at * length);
  if (length < 8) return bytes;
  const copy = Buffer.from(bytes);
  if (kind === 'flip') copy[position] = (copy[position] ?? 0) ^ (1 << (value % 8));
  if (kind === 'set') copy[position] = value & 0xff;
  if (kind === 'word') copy.writeUInt32LE(value, Math.min(position, length - 4));
  if (kind === 'cut')
    return Buffer.concat([copy.subarray(0, position), copy.subarray(position + (value % 9))]);
  if (kind === 'insert')
    return Buffer.concat([copy.subarray(0, position), Buffer.alloc(value % 50), copy.subarray(position)]);
  if (kind === 'repeat') return Buffer.concat([copy, copy.subarray(position)]);
  return copy;
}

describe('damaged archives', () => {
  it('are refused or unpacked: never an escape, never another failure, never a leftover', async () => {
    const archive = join(root, 'a.zip');
    const parent = mkdtempSync(join(root, 'parent-'));
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SEEDS),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        async (seed, list) => {
          writeFileSync(archive, list.reduce(mutate, seed));
          let unpacked: Unpacked;
          try {
            unpacked = await unpack(archive, parent);
          } catch (error) {
            expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED' });
            expect(readdirSync(parent)).toEqual([]);
            expect(readdirSync(root).sort()).toEqual(['a.zip', parent.slice(root.length + 1)]);
            return;
          }
          accepted += 1;
          for (const { path, bytes } of unpacked.files) {
            expect(readFileSync(join(unpacked.folder, path)).length).toBe(bytes);
          }
          expect(readdirSync(parent)).toHaveLength(1);
          rmSync(unpacked.folder, { recursive: true });
        },
      ),
      { numRuns: 500 },
    );
    // Else the mutations would be too coarse to reach the inner checks.
    expect(accepted).toBeGreaterThan(10);
  });
});

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe('packing', () => {
  it('gives an archive that unpacks to the same files, byte for byte the same each time', async () => {
    const source = mkdtempSync(join(root, 'source-'));
    const contents = fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-z]{1,8}$/),
        data: fc.uint8Array({ maxLength: 200_000 }),
        executable: fc.boolean(),
      }),
      { minLength: 1, maxLength: 5, selector: ({ name }) => name },
    );
    await fc.assert(
      fc.asyncProperty(contents, async (files) => {
        for (const { name, data } of files) writeFileSync(join(source, name), data);
        const wanted = files.map(({ name, executable }) => ({ path: name, executable }));
        const whole = () => collect(pack(source, wanted));
        const archive = join(root, 'packed.zip');
        const bytes = await whole();
        writeFileSync(archive, bytes);
        const unpacked = await unpack(archive, root);
        expect(unpacked.files.map(({ path, executable }) => ({ path, executable }))).toEqual(wanted);
        for (const { name, data } of files) {
          expect(readFileSync(join(unpacked.folder, name)).equals(Buffer.from(data))).toBe(true);
        }
        expect((await whole()).equals(bytes)).toBe(true);
        rmSync(unpacked.folder, { recursive: true });
        rmSync(archive);
      }),
      { numRuns: 12 },
    );
  });
});
