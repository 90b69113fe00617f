import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MyelinError } from '../core/errors.ts';
import { openSafetensors, parseSafetensorsHeader, readTensor } from './safetensors.ts';
import { writeSafetensors } from './safetensors-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const entry = (shape: number[], begin: number, end: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const parse = (header: unknown, dataBytes: number) => {
  const json = JSON.stringify(header);
  return parseSafetensorsHeader('model.safetensors', json, 8 + Buffer.byteLength(json) + dataBytes);
};
const withHeader = (name: string, length: bigint, rest: Uint8Array | string) => {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length);
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([prefix, Buffer.from(rest)]));
  return path;
};

describe('a safetensors file', () => {
  it('is read as it was written, through a symbolic link too', async () => {
    const path = join(folder, 'two.safetensors');
    await writeSafetensors(path, [
      { name: 'a', shape: [2, 2], values: () => Float32Array.of(1, 2, 3, 4) },
      { name: 'b.c', shape: [], values: () => Float32Array.of(0.5) },
    ]);
    symlinkSync(path, join(folder, 'link.safetensors'));
    const file = await openSafetensors(join(folder, 'link.safetensors'));
    expect(file.path).toBe(path);
    expect(file.metadata).toEqual({ format: 'pt' });
    expect([...file.tensors.keys()]).toEqual(['a', 'b.c']);
    expect(await readTensor(file.tensors.get('a')!)).toEqual(Float64Array.of(1, 2, 3, 4));
    expect(await readTensor(file.tensors.get('b.c')!)).toEqual(Float64Array.of(0.5));
  });

  it('widens halves and brain floats exactly', async () => {
    const json = JSON.stringify({ h: entry([6], 0, 12, 'F16'), b: entry([2], 12, 16, 'BF16') });
    const data = Buffer.from(
      Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x7e00, 0x3fc0, 0xc2f7).buffer,
    );
    const path = withHeader('halves', BigInt(json.length), Buffer.concat([Buffer.from(json), data]));
    const file = await openSafetensors(path);
    expect([...(await readTensor(file.tensors.get('h')!))]).toEqual([
      1,
      -2,
      2 ** -24,
      65504,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
    expect([...(await readTensor(file.tensors.get('b')!))]).toEqual([1.5, -123.5]);
  });

  it('names the file and the tensor it is cut off in', async () => {
    const path = join(folder, 'cut.safetensors');
    await writeSafetensors(path, [
      { name: 'first', shape: [4], values: () => new Float32Array(4) },
      { name: 'last', shape: [4], values: () => new Float32Array(4) },
    ]);
    const whole = await openSafetensors(path);
    truncateSync(path, (whole.tensors.get('last')?.end ?? 0) - 1);
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'TENSOR_INVALID',
      parameters: { file: path, tensor: 'last' },
    });
  });

  it('refuses a header that claims more than the file or than any header may have', async () => {
    for (const length of [9n, 2n ** 40n, 2n ** 64n - 1n]) {
      await expect(openSafetensors(withHeader('huge', length, '{}'))).rejects.toMatchObject({
        code: 'CHECKPOINT_INVALID',
      });
    }
    await expect(openSafetensors(withHeader('utf8', 2n, Uint8Array.of(0xff, 0xfe)))).rejects.toThrow('UTF-8');
    writeFileSync(join(folder, 'short'), 'abc');
    await expect(openSafetensors(join(folder, 'short'))).rejects.toThrow('too short');
    await expect(openSafetensors(folder)).rejects.toThrow('not a file');
    await expect(openSafetensors(join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('refuses tensors that overlap, leave gaps, reach outside, or are not as long as their shape', () => {
    const refused: [object, number, string][] = [
      [{ a: entry([2], 0, 8), b: entry([2], 4, 12) }, 12, 'overlaps'],
      [{ a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12, 'gap'],
      [{ a: entry([4], 0, 16) }, 12, 'truncated'],
      [{ a: entry([4], 0, 12) }, 12, 'takes 16 bytes, not 12'],
      [{ a: entry([2], 8, 0) }, 8, 'not -8'],
      [{ a: entry([2 ** 31, 2 ** 31, 2 ** 31], 0, 4) }, 4, 'takes'],
      [{ a: entry([-1], 0, 4) }, 4, 'shape'],
      [{ a: entry([1], 0, 4, 'F33') }, 4, 'dtype'],
      [{ a: entry([1], 0, 4) }, 5, 'the file at'],
      [{ __metadata__: { a: 1 } }, 0, '__metadata__'],
    ];
    for (const [header, bytes, complaint] of refused) expect(() => parse(header, bytes)).toThrow(complaint);
  });

  it('answers any header with tensors inside the file or with an error of its own', () => {
    const number = fc.oneof(fc.nat(64), fc.integer(), fc.double(), fc.constant(2 ** 53));
    const hostile = fc.record({
      dtype: fc.constantFrom('F32', 'F16', 'U8', 'F64', 'nonsense', 7),
      shape: fc.oneof(
        fc.array(fc.nat(4), { maxLength: 3 }),
        fc.array(number, { maxLength: 4 }),
        fc.jsonValue(),
      ),
      data_offsets: fc.oneof(fc.tuple(fc.nat(64), fc.nat(64)), fc.array(number, { maxLength: 3 })),
    });
    const header = fc.oneof(
      fc.dictionary(fc.string(), hostile).map((value) => JSON.stringify(value)),
      fc.json(),
      fc.string(),
    );
    fc.assert(
      fc.property(header, fc.nat(256), (json, dataBytes) => {
        const start = 8 + Buffer.byteLength(json);
        try {
          const { tensors } = parseSafetensorsHeader('file', json, start + dataBytes);
          let covered = 0;
          for (const { begin, end } of tensors.values()) {
            expect(begin).toBeGreaterThanOrEqual(start);
            expect(end).toBeLessThanOrEqual(start + dataBytes);
            covered += end - begin;
          }
          expect(covered).toBe(dataBytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(MyelinError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
