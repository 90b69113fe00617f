import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Observation } from '../src/core/observation.ts';
import type { CheckpointPolicy } from '../src/policies/checkpoint-policy.ts';
import { actConfig } from '../src/policies/models/act-config.ts';
import { Graph } from '../src/policies/onnx/graph.ts';
import { linear } from '../src/policies/onnx/linear.ts';
import { Session } from '../src/policies/onnx/session.ts';
import { FileTensors, Weights } from '../src/policies/onnx/weights.ts';
import { type OpenPolicyOptions, openPolicy } from '../src/policies/open-policy.ts';
import { dequantizeRows, quantizeRows } from '../src/policies/quantize/blocks.ts';
import { quantizedMatrices } from '../src/policies/quantize/cache.ts';
import { QUANTIZED_FORMATS } from '../src/policies/quantize/format.ts';
import { runOnThreads } from '../src/policies/quantize/worker-pool.ts';
import { openSafetensors } from '../src/policies/safetensors.ts';
import { writeSafetensors } from '../src/policies/safetensors-writer.ts';
import { createSeededCheckpoint } from '../src/policies/seeded-checkpoint.ts';
import { seededTensor } from '../src/policies/seeded-tensor.ts';
import { Engine } from '../src/serving/engine/engine.ts';

const root = mkdtempSync(join(tmpdir(), 'myelin-execution-'));
const checkpoint = join(root, 'act');
const WIDTH = 96;
const HEIGHT = 64;

beforeAll(() =>
  createSeededCheckpoint(
    checkpoint,
    actConfig({
      input_features: {
        'observation.state': { type: 'STATE', shape: [7] },
        'observation.images.wrist': { type: 'VISUAL', shape: [3, HEIGHT, WIDTH] },
      },
      // Not a multiple of any block: the last one of each row is filled up.
      dim_model: 200,
      n_heads: 4,
      dim_feedforward: 300,
      n_encoder_layers: 2,
      n_vae_encoder_layers: 1,
      chunk_size: 10,
      n_action_steps: 10,
    }),
    5,
  ),
);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const observation: Observation = {
  timestep: 0,
  timestampNs: 0,
  state: new Float64Array(7).fill(0.1),
  velocity: new Float64Array(7),
  cameras: new Map([
    [
      'wrist',
      {
        name: 'wrist',
        width: WIDTH,
        height: HEIGHT,
        rgb: Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => (i * 7) % 251),
        capturedNs: 0,
        sequence: 1,
      },
    ],
  ]),
  task: '',
};

const withPolicy = async <T>(options: OpenPolicyOptions, use: (policy: CheckpointPolicy) => Promise<T>) => {
  const policy = await openPolicy(checkpoint, { threads: 1, ...options });
  try {
    return await use(policy);
  } finally {
    await policy.close();
  }
};

const actions = (options: OpenPolicyOptions) =>
  withPolicy(options, async (policy) => (await policy.infer(observation)).actions);

const worst = (a: Float64Array, b: Float64Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe('a policy with weights in whole numbers', () => {
  it('answers nearly the same, the nearer the more bits, and makes them once', async () => {
    const exact = await actions({});
    const eight = await actions({ quantize: 'int8' });
    const four = await actions({ quantize: 'int4' });
    const range = Math.max(...exact.map(Math.abs));
    expect(worst(eight, exact)).toBeLessThan(0.03 * range);
    expect(worst(eight, exact)).toBeGreaterThan(0);
    expect(worst(four, exact)).toBeLessThan(0.4 * range);
    expect(worst(four, exact)).toBeGreaterThan(worst(eight, exact));
    expect(
      readdirSync(checkpoint)
        .filter((name) => name.includes('myelin'))
        .sort(),
    ).toEqual(['model.myelin-int4.safetensors', 'model.myelin-int8.safetensors']);
    const notes: string[] = [];
    expect(await actions({ quantize: 'int8', onNote: (note) => notes.push(note) })).toEqual(eight);
    expect(notes[0]).toMatch(/^int8 weights from /);
  });
});

describe('a product with quantised weights', () => {
  // Neither side is a multiple of a block.
  const [outputs, inputs] = [130, 200];

  it.each(['int8', 'int4'] as const)('in %s is right for any number of rows', async (name) => {
    const format = QUANTIZED_FORMATS[name];
    const folder = mkdtempSync(join(root, 'linear-'));
    const dense = seededTensor(1, 'proj.weight', [outputs, inputs]);
    const tensor = (at: string, values: Float32Array, ...shape: number[]) => ({
      name: `proj.${at}`,
      shape,
      values: () => values,
    });
    const bias = Float32Array.from({ length: outputs }, (_, i) => i / 10);
    await writeSafetensors(join(folder, 'model.safetensors'), [
      tensor('weight', dense, outputs, inputs),
      tensor('bias', bias, outputs),
    ]);
    const file = await openSafetensors(join(folder, 'model.safetensors'));
    const matrices = new Map([['proj.weight', [outputs, inputs]]]);
    const run: Parameters<typeof quantizedMatrices>[2]['run'] = (jobs, onDone) =>
      runOnThreads(jobs, onDone, { threads: 2, niceness: 0 });
    const quantized = await quantizedMatrices(file, matrices, { folder, format: name, run });
    const weights = dequantizeRows(quantizeRows(dense, outputs, inputs, format), outputs, inputs, format);

    const graph = new Graph('product');
    const source = new FileTensors({ ...file, quantized });
    const x = graph.input('x', ['rows', inputs]);
    graph.output('y', linear(new Weights(graph, source).part('proj'), x, inputs, outputs), ['rows', outputs]);
    const stages = [{ name: 'product', model: graph.toBytes() }];
    const session = await Session.open({ stages, folder, threads: 1 });
    for (const rows of [1, 2, 33, 1024]) {
      const data = seededTensor(2, 'x', [rows, inputs]);
      const { outputs: out } = await session.run(
        'product',
        { x: { shape: [rows, inputs], data: data.slice() } },
        { fetch: ['y'] },
      );
      const y = out.y?.data as Float32Array;
      expect(y.length).toBe(rows * outputs);
      let error = 0;
      let size = 0;
      for (const [i, found] of y.entries()) {
        const [row, column] = [Math.floor(i / outputs), i % outputs];
        let expected = 0;
        for (let k = 0; k < inputs; k++) expected += data[row * inputs + k]! * weights[column * inputs + k]!;
        error += (found - bias[column]! - expected) ** 2;
        size += expected ** 2;
      }
      // What is left is the rounding of the activations to eight bits.
      expect(Math.sqrt(error / size)).toBeLessThan(0.01);
    }
    await session.close();
  });
});

describe('a policy on a device', () => {
  it('says what it runs on and why', async () => {
    const notes: string[] = [];
    await actions({ device: 'cpu', onNote: (note) => notes.push(note) });
    expect(notes).toEqual([
      expect.stringMatching(/^the model runs on cpu, as asked for; threads: 1 of \d+ cores?, as asked for$/),
    ]);
  });

  it.runIf(process.platform === 'linux').each(['dml', 'coreml'])(
    'that this machine has no provider for (%s) is refused, not silently replaced',
    async (device) => {
      await expect(actions({ device })).rejects.toMatchObject({
        code: 'DEVICE_UNAVAILABLE',
        message: expect.stringContaining(`the model runtime has no ${device} provider`),
        hint: expect.stringMatching(/Here it has: cpu/),
      });
    },
  );

  it('whose number is nonsense is refused before anything is loaded', async () => {
    await expect(actions({ device: 'cuda:x' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('one network for several clients', () => {
  it('answers them in one run as it answers each alone', async () => {
    const seen = [0.1, -0.4, 0.7].map((angle, i) => ({
      ...observation,
      state: new Float64Array(7).fill(angle),
      cameras: new Map(
        [...observation.cameras].map(([name, frame]) => [
          name,
          { ...frame, rgb: frame.rgb.map((byte) => (byte * (i + 1)) % 256) },
        ]),
      ),
    }));
    const alone = await withPolicy({}, async (policy) => {
      const chunks = [];
      for (const each of seen) chunks.push((await policy.infer(each)).actions);
      return chunks;
    });
    const durations = new Set<number>();
    const engine = new Engine({ checkpoint, open: { threads: 1, batching: { maxBatch: 3, windowMs: 200 } } });
    const loaded = await engine.open();
    const onStage = (stage: string, ms: number) => {
      if (stage === 'transformer') durations.add(ms);
    };
    const together = await Promise.all(
      seen.map(
        async (each, i) => (await engine.session(loaded, `client ${i}`).infer(each, { onStage })).chunk,
      ),
    );
    await engine.close();
    // One run: each was told the same time.
    expect(durations.size).toBe(1);
    for (const [i, { actions }] of together.entries()) {
      expect(worst(actions, alone[i]!)).toBeLessThan(1e-5);
      expect(worst(actions, alone[(i + 1) % 3]!)).toBeGreaterThan(1e-3);
    }
  });
});
