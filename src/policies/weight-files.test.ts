import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MyelinError } from '../core/errors.ts';
import { readTensor } from './safetensors.ts';
import { writeSafetensors } from './safetensors-writer.ts';
import { openWeights } from './weight-files.ts';

const root = mkdtempSync(join(tmpdir(), 'myelin-weights-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
const FIRST = 'model-00001-of-00002.safetensors';
const SECOND = 'model-00002-of-00002.safetensors';
const GOOD = { a: FIRST, b: SECOND, c: SECOND };
const tensor = (name: string, value: number) => ({
  name,
  shape: [2],
  values: () => Float32Array.of(value, value),
});

async function sharded(index: unknown = { metadata: { total_size: 24 }, weight_map: GOOD }): Promise<string> {
  const folder = join(root, `${made++}`);
  mkdirSync(folder);
  await writeSafetensors(join(folder, FIRST), [tensor('a', 1)]);
  await writeSafetensors(join(folder, SECOND), [tensor('b', 2), tensor('c', 3)]);
  const text = typeof index === 'string' ? index : JSON.stringify(index);
  writeFileSync(join(folder, 'model.safetensors.index.json'), text);
  return folder;
}

/** A file whose metadata says that `name` was left out because `kept` is the same. */
function withNote(name: string, kept: string): string {
  const folder = join(root, `${made++}`);
  mkdirSync(folder);
  const header = JSON.stringify({
    __metadata__: { [name]: kept, format: 'pt' },
    kept: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = Buffer.from(Float32Array.of(0.5).buffer);
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, Buffer.from(header), data]));
  return folder;
}

describe('the weights of a checkpoint', () => {
  it('may be spread over several files', async () => {
    const { tensors } = await openWeights(await sharded());
    expect([...tensors].map(([name, { path }]) => [name, basename(path)])).toEqual([
      ['a', FIRST],
      ['b', SECOND],
      ['c', SECOND],
    ]);
    expect(await readTensor(tensors.get('c')!)).toEqual(Float64Array.of(3, 3));
  });

  it('may have been saved while torch.compile wrapped them', async () => {
    const folder = join(root, `${made++}`);
    mkdirSync(folder);
    const names = ['_orig_mod.model.a', 'model._orig_mod.b', 'model.c', '_orig_mod.model.c', 'my_orig_mod.d'];
    await writeSafetensors(
      join(folder, 'model.safetensors'),
      names.map((name, i) => tensor(name, i)),
    );
    const { tensors } = await openWeights(folder);
    expect([...tensors.keys()]).toEqual([
      'model.a',
      'model.b',
      'model.c',
      '_orig_mod.model.c',
      'my_orig_mod.d',
    ]);
    for (const [name, entry] of tensors) expect(entry.name).toBe(name);
    expect(await readTensor(tensors.get('model.c')!)).toEqual(Float64Array.of(2, 2));
  });

  it('may be links into one folder, as caches keep them, and not into several', async () => {
    const store = await sharded();
    const snapshot = join(root, `${made++}`);
    mkdirSync(snapshot);
    for (const name of [FIRST, SECOND, 'model.safetensors.index.json'])
      symlinkSync(join(store, name), join(snapshot, name));
    const { path, tensors } = await openWeights(snapshot);
    expect([path, tensors.get('a')?.path]).toEqual([
      join(store, 'model.safetensors.index.json'),
      join(store, FIRST),
    ]);
    const torn = await sharded();
    rmSync(join(torn, FIRST));
    symlinkSync(join(store, FIRST), join(torn, FIRST));
    await expect(openWeights(torn)).rejects.toThrow('another folder');
  });

  it('hold tensors that were left out because they are the same as others', async () => {
    const { tensors } = await openWeights(withNote('tied', 'kept'));
    expect(tensors.get('tied')).toEqual({ ...tensors.get('kept'), name: 'tied' });
    expect([...(await openWeights(withNote('tied', 'absent'))).tensors.keys()]).toEqual(['kept']);
  });

  it('are missing in ways that say what to do', async () => {
    const folder = join(root, `${made++}`);
    mkdirSync(folder);
    await expect(openWeights(folder)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    for (const name of ['pytorch_model.bin', 'adapter_config.json']) {
      writeFileSync(join(folder, name), '');
      await expect(openWeights(folder), name).rejects.toMatchObject({
        code: 'CHECKPOINT_UNSUPPORTED',
        hint: expect.stringContaining('myelin checkpoint convert'),
      });
    }
  });

  it('are refused when index and files disagree', async () => {
    const refused: [unknown, string][] = [
      [{ weight_map: { ...GOOD, d: FIRST } }, 'does not hold "d"'],
      [{ weight_map: { a: SECOND, b: SECOND, c: SECOND } }, 'does not hold "a"'],
      [{ weight_map: { a: FIRST, b: SECOND } }, 'does not name "c"'],
      [{ weight_map: { a: '../x.safetensors' } }, 'not the name of a safetensors file'],
      [{ weight_map: { a: '/etc/passwd' } }, 'not the name of a safetensors file'],
      [{ weight_map: {} }, 'names 0 files'],
      [{ weight_map: { a: 'model-3.safetensors' } }, 'does not exist'],
      [{ weight_map: { a: 1 } }, 'weight_map.a'],
      [{}, 'weight_map'],
      ['{', 'not JSON'],
    ];
    for (const [index, message] of refused) {
      await expect(openWeights(await sharded(index)), message).rejects.toThrow(message);
    }
  });

  it('open or are refused clearly, whatever the index says', async () => {
    const folder = await sharded();
    const file = join(folder, 'model.safetensors.index.json');
    const names = fc.oneof(fc.constantFrom(FIRST, SECOND, 'c', '..', ''), fc.string(), fc.jsonValue());
    const index = fc.oneof(
      fc.record({ weight_map: fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), names) }),
      fc.jsonValue(),
    );
    await fc.assert(
      fc.asyncProperty(index, async (value) => {
        writeFileSync(file, JSON.stringify(value));
        const outcome: unknown = await openWeights(folder).catch((error: unknown) => error);
        expect(outcome instanceof MyelinError || (outcome as { path: string }).path === file).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
