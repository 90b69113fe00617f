import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSafetensors, type QuantizedMatrix } from '../safetensors.ts';
import { writeSafetensors } from '../safetensors-writer.ts';
import { seededTensor } from '../seeded-tensor.ts';
import { dequantizeRows } from './blocks.ts';
import { quantizedMatrices } from './cache.ts';
import { QUANTIZED_FORMATS, type QuantizedName } from './format.ts';
import { type QuantizeJob, runJob } from './jobs.ts';

const WIDE = [160, 300] as const;
const MATRICES = new Map<string, readonly number[]>([
  ['wide', WIDE],
  ['tall', [400, 128]],
  ['narrow', [400, 32]],
]);

let root: string;
let folder: string;
let notes: string[];
let ran: number;

const save = (seed: number) =>
  writeSafetensors(
    join(folder, 'model.safetensors'),
    [...MATRICES].map(([name, shape], i) => ({
      name,
      shape,
      type: i === 1 ? ('BF16' as const) : ('F32' as const),
      values: () => seededTensor(seed, name, shape),
    })),
  );

const run = async (jobs: readonly QuantizeJob[], onDone: (job: QuantizeJob) => void) => {
  for (const job of jobs) {
    await runJob(job);
    ran++;
    onDone(job);
  }
};

const quantize = async (format: QuantizedName = 'int8') =>
  quantizedMatrices(await openSafetensors(join(folder, 'model.safetensors')), MATRICES, {
    folder,
    format,
    run,
    cacheHome: join(root, 'cache'),
    onNote: (note) => notes.push(note),
  });

const bytesOf = ({ path, begin, end }: QuantizedMatrix['values']) => readFileSync(path).subarray(begin, end);

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'myelin-quantize-'));
  folder = join(root, 'checkpoint');
  mkdirSync(folder);
  notes = [];
  ran = 0;
  await save(1);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('quantised weights', () => {
  it.each(['int8', 'int4'] as const)(
    'in %s lie beside the checkpoint and stand for its weights',
    async (name) => {
      const made = await quantize(name);
      expect([...made.keys()]).toEqual(['wide', 'tall']);
      const matrix = made.get('wide')!;
      expect(matrix.values.path).toBe(join(folder, `model.myelin-${name}.safetensors`));
      const scales = bytesOf(matrix.scales);
      const back = dequantizeRows(
        { values: bytesOf(matrix.values), scales: new Float32Array(new Uint8Array(scales).buffer) },
        ...WIDE,
        QUANTIZED_FORMATS[name],
      );
      const weights = seededTensor(1, 'wide', WIDE);
      const worst = back.reduce((most, value, i) => Math.max(most, Math.abs(value - weights[i]!)), 0);
      expect(worst).toBeLessThan(0.1 / (name === 'int8' ? 100 : 5));
      expect(worst).toBeGreaterThan(0);
    },
  );

  it('are made once', async () => {
    await quantize();
    const first = ran;
    expect(first).toBeGreaterThan(0);
    await quantize();
    expect(ran).toBe(first);
    expect(notes).toEqual([
      expect.stringMatching(/^quantising 0 M weights to int8, once, into /),
      expect.stringMatching(/^int8 weights from .*model.myelin-int8.safetensors$/),
    ]);
    expect(readdirSync(folder).sort()).toEqual(['model.myelin-int8.safetensors', 'model.safetensors']);
  });

  it('are made again when the weights change, even to a file of the same size and names', async () => {
    await quantize();
    const before = readFileSync(join(folder, 'model.myelin-int8.safetensors'));
    await save(2);
    utimesSync(join(folder, 'model.safetensors'), new Date(), new Date(Date.now() + 5000));
    await quantize();
    expect(readFileSync(join(folder, 'model.myelin-int8.safetensors')).equals(before)).toBe(false);
  });

  it('are made again when their file is cut short or is none of ours', async () => {
    await quantize();
    const file = join(folder, 'model.myelin-int8.safetensors');
    const whole = readFileSync(file);
    truncateSync(file, whole.length - 10);
    await quantize();
    expect(readFileSync(file).equals(whole)).toBe(true);
    writeFileSync(file, 'not tensors');
    await quantize();
    expect(readFileSync(file).equals(whole)).toBe(true);
  });

  it("go to the user's cache when the checkpoint's folder cannot be written to", async () => {
    const weights = await openSafetensors(join(folder, 'model.safetensors'));
    const options = {
      folder: join(folder, 'model.safetensors', 'no-folder'),
      format: 'int8',
      run,
      cacheHome: join(root, 'cache'),
      onNote: (note: string) => notes.push(note),
    } as const;
    const made = await quantizedMatrices(weights, MATRICES, options);
    expect(made.get('wide')?.values.path).toMatch(join(root, 'cache', 'myelin', 'quantized'));
    expect(notes[1]).toMatch(/no-folder.* cannot be written: ENOTDIR$/);
    await quantizedMatrices(weights, MATRICES, options);
    expect(notes.at(-1)).toMatch(/^int8 weights from .*cache/);
  });

  it('are refused with advice when there is no place for them at all', async () => {
    const weights = await openSafetensors(join(folder, 'model.safetensors'));
    const nowhere = join(folder, 'model.safetensors', 'no-folder');
    await expect(
      quantizedMatrices(weights, MATRICES, { folder: nowhere, format: 'int8', run, cacheHome: nowhere }),
    ).rejects.toMatchObject({ code: 'FILE_UNWRITABLE', hint: expect.stringContaining('XDG_CACHE_HOME') });
  });

  it('leave nothing behind when the work fails', async () => {
    const failing = quantizedMatrices(await openSafetensors(join(folder, 'model.safetensors')), MATRICES, {
      folder,
      format: 'int8',
      run: async () => {
        expect(
          statSync(join(folder, readdirSync(folder).find((name) => name.endsWith('.partial'))!)).size,
        ).toBeGreaterThan(400 * 128);
        throw new Error('out of breath');
      },
    });
    await expect(failing).rejects.toThrow('out of breath');
    expect(readdirSync(folder)).toEqual(['model.safetensors']);
  });

  it('remove what a process that died left of them, and nothing of one that lives', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const left = `model.myelin-int8.safetensors.${dead}.0.partial`;
    const written = `model.myelin-int8.safetensors.${process.ppid}.0.partial`;
    for (const name of [left, written]) writeFileSync(join(folder, name), 'half');
    await quantize();
    expect(readdirSync(folder)).not.toContain(left);
    expect(readdirSync(folder)).toContain(written);
  });

  it('are refused by name for weights that are not numbers', async () => {
    await writeSafetensors(join(folder, 'model.safetensors'), [
      { name: 'wide', shape: WIDE, values: () => new Float32Array(WIDE[0] * WIDE[1]).fill(Number.NaN) },
    ]);
    await expect(quantize()).rejects.toMatchObject({
      code: 'TENSOR_INVALID',
      message: expect.stringMatching(/"wide" .* not finite/),
    });
  });

  it('are not offered for a model without a large matrix', async () => {
    const file = await openSafetensors(join(folder, 'model.safetensors'));
    const none = quantizedMatrices(file, new Map([['narrow', [400, 32]]]), { folder, format: 'int8', run });
    await expect(none).rejects.toMatchObject({ code: 'CHECKPOINT_UNSUPPORTED' });
  });
});
