import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectCheckpoint } from '../src/policies/checkpoint.ts';
import { convertLora } from '../src/policies/convert/convert-lora.ts';
import { convertOpenpi } from '../src/policies/convert/convert-openpi.ts';
import { convertStateDict } from '../src/policies/convert/convert-state-dict.ts';
import { smallActConfig } from '../src/policies/models/act-small.ts';
import { openPolicy } from '../src/policies/open-policy.ts';
import { openSafetensors, readTensor } from '../src/policies/safetensors.ts';
import { writeSafetensors } from '../src/policies/safetensors-writer.ts';
import { createSeededCheckpoint, writeSeededWeights } from '../src/policies/seeded-checkpoint.ts';
import { seededTensor } from '../src/policies/seeded-tensor.ts';
import { verifyCheckpoint } from '../src/policies/verify/verify-checkpoint.ts';
import { LocalHub } from './support/local-hub.ts';
import { largestDifference } from './support/parity.ts';
import { LAYOUTS, noiseOf, observe, piCheckpoint, type Reference, read } from './support/pi-checkpoints.ts';
import { myelin } from './support/processes.ts';
import { torchFile } from './support/torch-writer.ts';

const ACT_FIXTURES = fileURLToPath(new URL('../tools/parity/fixtures/act', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'myelin-checkpoint-command-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const SMALL = smallActConfig();
const act = join(root, 'act');
beforeAll(() => createSeededCheckpoint(act, SMALL, 1));

const values = async (folder: string) => {
  const { tensors } = await openSafetensors(join(folder, 'model.safetensors'));
  const all = await Promise.all(
    [...tensors.values()].map(async (each) => [each.name, await readTensor(each)]),
  );
  return new Map(all as [string, Float64Array][]);
};
const command = async (...args: string[]) => {
  const process = myelin(['checkpoint', ...args]);
  const code = await process.exited;
  return { code, output: process.output() };
};
let counter = 0;
const fresh = (name: string) => join(root, `${name}-${counter++}`);

/** The weights of the small policy as a training script saves them. */
async function trainingFile(change: (tensors: Record<string, object>) => void = () => undefined) {
  const { tensors } = await openSafetensors(join(act, 'model.safetensors'));
  const found = await Promise.all(
    [...tensors.values()].map(async (each) => {
      const floats = Float32Array.from(await readTensor(each));
      return [each.name.replace(/^model\./, 'module.'), { shape: each.shape, values: floats }] as const;
    }),
  );
  const dict = Object.fromEntries(found);
  change(dict);
  const path = `${fresh('weights')}.pt`;
  writeFileSync(path, torchFile(dict));
  return path;
}

describe('a state dict', () => {
  it('becomes a LeRobot folder with the same weights', async () => {
    const out = fresh('converted');
    const notes: string[] = [];
    const file = await trainingFile((tensors) => {
      tensors['module.extra'] = { shape: [1], values: new Float32Array(1) };
    });
    await convertStateDict(file, { config: act, out, onNote: (text) => notes.push(text) });
    expect(await values(out)).toEqual(await values(act));
    expect(readdirSync(out).sort()).toEqual(readdirSync(act).sort());
    expect(notes.join('\n')).toContain('no act policy uses them: extra');
  });

  it('keeps vectors exact when matrices are stored with fewer digits', async () => {
    const out = fresh('converted');
    await convertStateDict(await trainingFile(), { config: act, out, dtype: 'BF16' });
    const { tensors } = await openSafetensors(join(out, 'model.safetensors'));
    for (const { type, shape } of tensors.values()) expect(type).toBe(shape.length > 1 ? 'BF16' : 'F32');
    const [exact, rounded] = [await values(act), await values(out)];
    for (const [name, floats] of exact)
      floats.forEach((value, i) => {
        expect(Math.abs((rounded.get(name)?.[i] ?? Number.NaN) - value)).toBeLessThanOrEqual(
          Math.abs(value) * 2 ** -8,
        );
      });
  });

  it('leaves nothing behind when a tensor is missing, and names it', async () => {
    const out = fresh('converted');
    const file = await trainingFile((tensors) => delete tensors['module.action_head.bias']);
    await expect(convertStateDict(file, { config: act, out })).rejects.toThrow('"model.action_head.bias"');
    expect(readdirSync(root).filter((name) => name.startsWith(basename(out)))).toEqual([]);
  });

  it('does not take the place of what is there', async () => {
    await expect(convertStateDict(await trainingFile(), { config: act, out: act })).rejects.toThrow('--out');
    expect(existsSync(join(act, 'model.safetensors'))).toBe(true);
  });
});

describe('a LoRA adapter', () => {
  const MATRIX = 'model.encoder.layers.0.linear1.weight';
  const HEAD = 'model.action_head.weight';
  const a = seededTensor(3, 'a', [2, 8]);
  const b = seededTensor(3, 'b', [8, 2]);

  async function adapter(config: object = {}, tensors: { name: string; shape: number[] }[] = []) {
    const folder = fresh('adapter');
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'adapter_config.json'),
      JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 8, base_model_name_or_path: act, ...config }),
    );
    const module = `base_model.model.${MATRIX.replace(/\.weight$/, '')}`;
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), [
      { name: `${module}.lora_A.weight`, shape: [2, 8], values: () => a },
      { name: `${module}.lora_B.weight`, shape: [8, 2], values: () => b },
      { name: `base_model.model.${HEAD}`, shape: [3, 8], values: () => new Float32Array(24).fill(0.5) },
      ...tensors.map(({ name, shape }) => ({ name, shape, values: () => new Float32Array(4) })),
    ]);
    return folder;
  }
  const change = (scale: number, transposed = false) => {
    const product = Array.from({ length: 64 }, (_, place) => {
      const [o, i] = [Math.floor(place / 8), place % 8];
      return scale * [0, 1].reduce((sum, k) => sum + b[o * 2 + k]! * a[k * 8 + i]!, 0);
    });
    return transposed
      ? product.map((_, place) => product[(place % 8) * 8 + Math.floor(place / 8)]!)
      : product;
  };
  const cases: [string, object, number[]][] = [
    ['alpha / rank', {}, change(4)],
    ['alpha / sqrt(rank)', { use_rslora: true }, change(8 / Math.sqrt(2))],
    ['an alpha of its own', { alpha_pattern: { linear1: 2 } }, change(1)],
    ['transposed matrices', { fan_in_fan_out: true }, change(4, true)],
  ];
  for (const [what, config, expected] of cases) {
    it(`is added to its base: ${what}`, async () => {
      const out = fresh('merged');
      await convertLora(await adapter(config), { out });
      const [before, after] = [await values(act), await values(out)];
      for (const [name, floats] of before) {
        const found = [...(after.get(name) ?? [])];
        if (name === HEAD) expect(found).toEqual(Array(24).fill(0.5));
        else if (name !== MATRIX) expect(found).toEqual([...floats]);
        else
          expect(
            largestDifference(
              found,
              floats.map((value, i) => value + expected[i]!),
            ),
          ).toBeLessThan(1e-6);
      }
    });
  }

  const refused: [string, object, { name: string; shape: number[] }[], string][] = [
    ['DoRA', { use_dora: true }, [], 'use_dora'],
    ['another kind', { peft_type: 'IA3' }, [], 'IA3'],
    ['trained biases', { bias: 'all' }, [], 'bias all'],
    ['a pattern to run', { alpha_pattern: { '(a+)+$': 1 } }, [], 'alpha_pattern'],
    ['another base', {}, [{ name: 'base_model.model.other.weight', shape: [4] }], '"other.weight"'],
    [
      'half an adapter',
      {},
      [{ name: 'base_model.model.x.lora_A.weight', shape: [2, 2] }],
      'lora_B is missing',
    ],
    [
      'an embedding',
      {},
      [{ name: 'base_model.model.x.lora_embedding_A', shape: [2, 2] }],
      'kind of adapter layer',
    ],
  ];
  for (const [what, config, tensors, message] of refused) {
    it(`is refused with a reason: ${what}`, async () => {
      const out = fresh('merged');
      await expect(convertLora(await adapter(config, tensors), { out })).rejects.toThrow(message);
      expect(existsSync(out)).toBe(false);
    });
  }
});

describe('an openpi checkpoint', () => {
  const NAME = 'pi05-two-cameras';
  const openpiLayout = LAYOUTS['openpi: nothing in front']!;

  /** What openpi's trainer leaves: weights without LeRobot's prefix, and statistics as JSON. */
  async function openpiFolder(name: string): Promise<{ openpi: string; lerobot: string }> {
    const lerobot = await piCheckpoint(fresh('lerobot'), name, openpiLayout);
    const openpi = fresh('openpi');
    mkdirSync(join(openpi, 'assets', 'arx'), { recursive: true });
    cpSync(join(lerobot, 'model.safetensors'), join(openpi, 'model.safetensors'));
    const state = readdirSync(lerobot).find((file) => /preprocessor_step_\d_normalizer/.test(file))!;
    const { tensors } = await openSafetensors(join(lerobot, state));
    const of = async (feature: string) => {
      const get = async (statistic: string) => [
        ...(await readTensor(tensors.get(`${feature}.${statistic}`)!)),
      ];
      const less = (numbers: number[]) => numbers.map((value) => value - 1e-6);
      const [mean, std, q01, q99] = await Promise.all(['mean', 'std', 'q01', 'q99'].map(get));
      return { mean, std: less(std!), q01, q99: less(q99!) };
    };
    const norm_stats = { state: await of('observation.state'), actions: await of('action') };
    writeFileSync(join(openpi, 'assets', 'arx', 'norm_stats.json'), JSON.stringify({ norm_stats }));
    return { openpi, lerobot };
  }

  for (const name of [NAME, 'pi0-two-cameras']) {
    it(`becomes a LeRobot folder that answers the same: ${name}`, async () => {
      const { openpi, lerobot } = await openpiFolder(name);
      const reference = read<Reference>(name, 'reference.json');
      const config = JSON.parse(readFileSync(join(lerobot, 'config.json'), 'utf8'));
      const names = Object.entries(config.input_features as Record<string, { type: string }>)
        .filter(([feature, { type }]) => type === 'VISUAL' && !feature.includes('empty'))
        .map(([feature]) => feature.replace('observation.images.', ''));
      const out = fresh('converted');
      await convertOpenpi(openpi, {
        out,
        horizon: config.chunk_size,
        cameras: names,
        tokenizer: join(lerobot, 'tokenizer'),
      });
      const run = reference.runs.find(({ chunk, absent }) => chunk === undefined && absent === undefined)!;
      const policy = await openPolicy(out);
      try {
        const { actions } = await policy.infer(observe(reference.seed, config, run), {
          noise: noiseOf(reference.seed, config, run),
          flowSteps: run.flow_steps ?? config.num_inference_steps,
        });
        expect(largestDifference(actions, run.expected.chunk!.flat())).toBeLessThan(1e-4);
      } finally {
        await policy.close();
      }
    });
  }

  it('needs to be told which statistics, when there are several, and to have quantiles', async () => {
    const { openpi } = await openpiFolder(NAME);
    const out = fresh('converted');
    cpSync(join(openpi, 'assets', 'arx'), join(openpi, 'assets', 'droid'), { recursive: true });
    await expect(convertOpenpi(openpi, { out })).rejects.toThrow('one of: arx, droid');
    const plain = { mean: [0], std: [1] };
    writeFileSync(
      join(openpi, 'assets', 'droid', 'norm_stats.json'),
      JSON.stringify({ norm_stats: { state: plain, actions: plain } }),
    );
    await expect(convertOpenpi(openpi, { out, asset: 'droid' })).rejects.toThrow('q01 and q99');
    expect(existsSync(out)).toBe(false);
  });
});

describe('verification', () => {
  for (const name of ['two-cameras', 'temporal-ensemble', 'two-sizes-renamed']) {
    it(`finds that actions agree with recorded ones: ACT, ${name}`, async () => {
      const folder = fresh('reference');
      cpSync(join(ACT_FIXTURES, name), folder, { recursive: true });
      const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
      const { seed } = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8'));
      await writeSeededWeights(join(folder, 'model.safetensors'), config, seed);
      const { compared } = await verifyCheckpoint(folder, { reference: folder });
      expect(compared.length).toBeGreaterThan(1);
      for (const { what, worst } of compared) expect(worst, what).toBeLessThan(1e-5);
    });
  }

  it('finds that actions agree with recorded ones: pi05, cameras left out', async () => {
    const folder = await piCheckpoint(fresh('reference'), 'pi05-missing-cameras');
    const { compared } = await verifyCheckpoint(folder, { reference: folder });
    for (const { what, worst } of compared) expect(worst, what).toBeLessThan(1e-5);
  });
});

describe('the command line', () => {
  it('inspects: text, JSON, and exit code 1 for a checkpoint that could not run', async () => {
    const { code, output } = await command('inspect', act);
    expect(code).toBe(0);
    expect(output).toMatch(/^type +act$/m);
    expect(output).toMatch(/^stored +F32: \d+ tensors, \d+ elements, /m);
    expect(output).toMatch(/all that acting needs, and no others/);
    const json = JSON.parse((await command('inspect', act, '--json')).output);
    expect(json).toMatchObject({ type: 'act', chunkRows: 5, missing: [], statistics: expect.any(Array) });
    const broken = fresh('broken');
    cpSync(act, broken, { recursive: true });
    writeFileSync(join(broken, 'config.json'), JSON.stringify({ ...SMALL, dim_feedforward: 9 }));
    const refused = await command('inspect', broken);
    expect(refused.code).toBe(1);
    expect(refused.output).toMatch(/misshapen +model\.\S+linear1\.weight is \[8, 8\], must be \[9, 8\]/);
  });

  it('verifies: exit code 1 when actions differ, with the largest difference', async () => {
    const plain = await command('verify', act);
    expect(plain.output).toContain('gives 5 x 3 finite actions');
    expect(plain.code).toBe(0);
    const reference = `${fresh('reference')}.json`;
    writeFileSync(reference, JSON.stringify({ seed: 1, chunk: Array(5).fill([9, 9, 9]), steps: [] }));
    const { code, output } = await command('verify', act, '--reference', reference);
    expect(output).toMatch(/chunk: differs by more than 0\.0001 \(largest difference \d/);
    expect(code).toBe(1);
  });

  it('converts, and says why when it cannot', async () => {
    const out = fresh('converted');
    const file = await trainingFile();
    const done = await command('convert', file, '--config', act, '-o', out, '--dtype', 'f16');
    expect(done.code, done.output).toBe(0);
    expect((await inspectCheckpoint(out)).missing).toEqual([]);
    const without = await command('convert', file, '-o', fresh('converted'));
    expect(without.code).toBe(1);
    expect(without.output).toContain('--config is missing');
    const hostile = `${fresh('hostile')}.pt`;
    writeFileSync(hostile, Buffer.from("cos\nsystem\n(S'true'\ntR."));
    const refused = await command('convert', hostile, '--config', act, '-o', fresh('converted'));
    expect([refused.code, refused.output]).toEqual([
      1,
      expect.stringContaining('not a file that torch.save'),
    ]);
  });

  it('measures: the same as bench', async () => {
    const { code, output } = await command('bench', act, '--repeats', '3', '--components');
    expect(code, output).toBe(0);
    expect(output).toContain('## Policy latency by component');
  });

  it('takes a model on the Hub, downloads it once, and never shows the token', async () => {
    const hub = await LocalHub.start();
    try {
      const files = Object.fromEntries(readdirSync(act).map((name) => [name, readFileSync(join(act, name))]));
      hub.repositories.set('user/act', {
        commit: 'ab'.repeat(20),
        files,
        large: ['model.safetensors'],
        token: 'hf_secret',
      });
      const environment = { HF_ENDPOINT: hub.endpoint, HF_HOME: fresh('home'), HF_TOKEN: 'hf_secret' };
      const run = async (environment: NodeJS.ProcessEnv, ...args: string[]) => {
        const process = myelin(['checkpoint', ...args], environment);
        return [await process.exited, process.output()] as const;
      };
      const [code, output] = await run(environment, 'inspect', 'user/act');
      expect(code, output).toBe(0);
      expect(output).toMatch(/downloading user\/act: 100 % of/);
      expect(output).not.toContain('hf_secret');
      const [offline, again] = await run({ ...environment, HF_HUB_OFFLINE: '1' }, 'verify', 'user/act');
      expect(offline, again).toBe(0);
      const [refused, why] = await run({ ...environment, HF_TOKEN: 'hf_other' }, 'inspect', 'user/act@v2');
      expect(refused).toBe(1);
      expect(why).toContain('does not exist, or is private');
      expect(why).not.toContain('hf_other');
    } finally {
      await hub.close();
    }
  });
});
