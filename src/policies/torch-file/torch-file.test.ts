import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import { readTensor } from '../safetensors.ts';
import { openStateDict } from './state-dict.ts';
import { tensorBytes } from './tensor-bytes.ts';
import { openTorchFile, type StridedEntry } from './torch-file.ts';

/** Written by PyTorch 2.13, in base64. */
const FIXTURE: { files: Record<string, string>; module: Record<string, unknown> } = JSON.parse(
  readFileSync(new URL('./torch.fixture.json', import.meta.url), 'utf8'),
);
const folder = mkdtempSync(join(tmpdir(), 'myelin-torch-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let written = 0;
const onDisk = (bytes: Uint8Array): string => {
  const path = join(folder, `${written++}.pt`);
  writeFileSync(path, bytes);
  return path;
};
const original = (name: string) => Buffer.from(FIXTURE.files[name]!, 'base64');
const open = (name: string) => openStateDict(onDisk(original(name)));

async function bytesOf(tensor: StridedEntry): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of tensorBytes(tensor)) pieces.push(piece);
  return Buffer.concat(pieces);
}
const floats = async (tensor: StridedEntry | undefined) => {
  const bytes = Uint8Array.from(await bytesOf(tensor!));
  return [...new Float32Array(bytes.buffer)];
};
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

for (const format of ['', ' legacy']) {
  describe(`a PyTorch file${format}`, () => {
    it('gives every type of element', async () => {
      const { tensors } = await open(`types${format}`);
      for (const name of ['float64', 'float32', 'float16', 'bfloat16']) {
        expect([...(await readTensor(tensors.get(name)!))], name).toEqual([0, 1, -2.5, 1000]);
      }
      for (const [name, size] of [
        ['int64', 8],
        ['int32', 4],
        ['int16', 2],
        ['int8', 1],
        ['uint8', 1],
      ] as const) {
        const bytes = await bytesOf(tensors.get(name)!);
        expect(
          upTo(4).map((i) => bytes.readIntLE(i * size, Math.min(size, 6))),
          name,
        ).toEqual([0, 1, 2, 100]);
      }
      expect([...(await bytesOf(tensors.get('bool')!))]).toEqual([1, 0]);
      expect(tensors.get('scalar')).toMatchObject({ shape: [], type: 'F32' });
      expect([tensors.get('empty')?.shape, await bytesOf(tensors.get('empty')!)]).toEqual([
        [0, 3],
        Buffer.alloc(0),
      ]);
    });

    it('gives views of one storage in their own order', async () => {
      const { tensors } = await open(`views${format}`);
      expect(await floats(tensors.get('whole'))).toEqual(upTo(12));
      expect(await floats(tensors.get('tied'))).toEqual(upTo(12));
      expect(tensors.get('tied')?.begin).toBe(tensors.get('whole')?.begin);
      expect(await floats(tensors.get('transposed'))).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
      expect(await floats(tensors.get('row'))).toEqual([4, 5, 6, 7]);
      expect(await floats(tensors.get('column'))).toEqual([1, 5, 9]);
      expect(await floats(tensors.get('block'))).toEqual([5, 6, 9, 10]);
      expect(tensors.get('odd')?.shape).toEqual([4, 2, 3]);
      expect((await floats(tensors.get('odd'))).slice(0, 8)).toEqual([0, 4, 8, 12, 16, 20, 1, 5]);
    });

    it('gives the state dict of a module', async () => {
      const { tensors, inside, ignored } = await open(`module${format}`);
      expect([...tensors.keys()]).toEqual(Object.keys(FIXTURE.module));
      expect([inside, ignored]).toEqual([[], []]);
      expect(await floats(tensors.get('a.weight'))).toEqual(
        (FIXTURE.module['a.weight'] as number[][]).flat(),
      );
    });

    it('gives the state dict inside what a training script saved, without the names of wrappers', async () => {
      const { tensors, inside } = await open(`training${format}`);
      expect(inside).toEqual(['model']);
      expect([...tensors.keys()]).toEqual(Object.keys(FIXTURE.module));
      expect(tensors.get('a.bias')?.name).toBe('a.bias');
      expect(await floats(tensors.get('a.bias'))).toEqual(FIXTURE.module['a.bias']);
    });
  });
}

describe('a PyTorch file', () => {
  it('gives types that newer versions added', async () => {
    const { tensors } = await open('types');
    expect([...new Uint16Array(Uint8Array.from(await bytesOf(tensors.get('uint16')!)).buffer)]).toEqual([
      1, 65535,
    ]);
    expect(tensors.get('float8_e4m3fn')?.type).toBe('F8_E4M3');
    expect((await open('parameter')).tensors.get('weight')?.shape).toEqual([2, 2]);
  });

  const refused: [string, string, string][] = [
    ['number', 'CHECKPOINT_INVALID', 'no state dict'],
    ['tensor alone', 'CHECKPOINT_INVALID', 'no state dict'],
    ['whole module', 'PICKLE_FORBIDDEN', '__main__.Net'],
    ['expanded', 'TENSOR_INVALID', 'does not fit its 1 elements'],
    ['script', 'CHECKPOINT_UNSUPPORTED', 'TorchScript'],
    ['compressed', 'CHECKPOINT_INVALID', 'compressed'],
    ['tar', 'CHECKPOINT_UNSUPPORTED', 'tar format'],
  ];
  for (const [name, code, message] of refused) {
    it(`is refused with a reason: ${name}`, async () => {
      const error = await open(name).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code });
      expect((error as MyelinError).message).toContain(message);
    });
  }

  it('is refused when it is not one, or not there', async () => {
    await expect(openTorchFile(onDisk(Buffer.from('hello')))).rejects.toThrow('not a file that torch.save');
    await expect(openTorchFile(onDisk(Buffer.alloc(0)))).rejects.toThrow('not a file that torch.save');
    await expect(openTorchFile(join(folder, 'none.pt'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(openTorchFile(folder)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('is refused when a storage is not all there', async () => {
    for (const name of ['module', 'module legacy']) {
      const bytes = original(name);
      await expect(openTorchFile(onDisk(bytes.subarray(0, bytes.length - 30))), name).rejects.toBeInstanceOf(
        MyelinError,
      );
    }
  });

  it('gives tensors or a clear refusal when it is damaged, and none of another size than its shape', async () => {
    const names = Object.keys(FIXTURE.files);
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const path = join(folder, 'damaged.pt');
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), damage, fc.nat(), async (name, changes, cut) => {
        const copy = Uint8Array.from(original(name));
        for (const [place, value] of changes) copy[place % copy.length] = value;
        writeFileSync(path, cut % 4 === 0 ? copy.subarray(0, cut % copy.length) : copy);
        try {
          const { tensors } = await openStateDict(path);
          for (const tensor of tensors.values()) {
            expect(tensor.begin).toBeGreaterThanOrEqual(0);
            expect(tensor.end).toBeLessThanOrEqual(copy.length);
            await bytesOf(tensor);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(MyelinError);
        }
      }),
      { numRuns: 600 },
    );
  });
});
