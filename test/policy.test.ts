import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CameraFrame, Observation } from '../src/core/observation.ts';
import { actConfig } from '../src/policies/models/act-config.ts';
import { Graph } from '../src/policies/onnx/graph.ts';
import { linear } from '../src/policies/onnx/linear.ts';
import { Session } from '../src/policies/onnx/session.ts';
import { FileTensors, Weights } from '../src/policies/onnx/weights.ts';
import { openPolicy } from '../src/policies/open-policy.ts';
import { openSafetensors } from '../src/policies/safetensors.ts';
import { createSeededCheckpoint } from '../src/policies/seeded-checkpoint.ts';

const root = mkdtempSync(join(tmpdir(), 'myelin-policy-'));
const checkpoint = join(root, 'act');
const WIDTH = 96;
const HEIGHT = 64;

const config = actConfig({
  input_features: {
    'observation.state': { type: 'STATE', shape: [7] },
    'observation.images.wrist': { type: 'VISUAL', shape: [3, HEIGHT, WIDTH] },
  },
  dim_model: 32,
  n_heads: 4,
  dim_feedforward: 64,
  n_encoder_layers: 1,
  n_vae_encoder_layers: 1,
  chunk_size: 10,
  n_action_steps: 4,
});

beforeAll(() => createSeededCheckpoint(checkpoint, config, 5));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const frame = (name: string, width = WIDTH, height = HEIGHT): CameraFrame => ({
  name,
  width,
  height,
  rgb: new Uint8Array(3 * width * height).fill(100),
  capturedNs: 0,
  sequence: 1,
});

const observe = (cameras: CameraFrame[] = [frame('wrist')], joints = 7): Observation => ({
  timestep: 3,
  timestampNs: 42,
  state: new Float64Array(joints).fill(0.1),
  velocity: new Float64Array(joints),
  cameras: new Map(cameras.map((camera) => [camera.name, camera])),
  task: '',
});

describe('a policy from a checkpoint', () => {
  it('tells what it needs and answers a chunk for the observation it was given', async () => {
    const policy = await openPolicy(checkpoint, { stepPeriodS: 0.05 });
    expect(policy.spec).toMatchObject({
      cameras: [{ name: 'wrist', width: WIDTH, height: HEIGHT }],
      chunkRows: 10,
      actionSteps: 4,
      stepPeriodS: 0.05,
    });
    const stages: string[] = [];
    const chunk = await policy.infer(observe(), { onStage: (stage) => stages.push(stage) });
    expect(chunk).toMatchObject({ rows: 10, dof: 7, stepPeriodS: 0.05, timestep: 3, observedNs: 42 });
    expect(stages).toEqual(['preprocess', 'backbone 1', 'transformer', 'postprocess']);
    expect((await policy.infer(observe())).actions).toEqual(chunk.actions);
    await policy.close();
    await policy.close();
    await expect(policy.infer(observe())).rejects.toMatchObject({ code: 'MODEL_FAILED' });
  });

  it('leaves the event loop free while the model runs', async () => {
    const policy = await openPolicy(checkpoint);
    let turns = 0;
    let running = true;
    const count = () => {
      turns += 1;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await policy.infer(observe());
    running = false;
    expect(turns).toBeGreaterThan(5);
    await policy.close();
  });

  it('says which camera, size or joint count it needs, and looks through the camera it is told to', async () => {
    const policy = await openPolicy(checkpoint);
    const refused: [Observation, string][] = [
      [
        observe([frame('external')]),
        'a picture of 96x64 from the camera "wrist", but the observation holds pictures from: external',
      ],
      [observe([frame('wrist', 64, 96)]), 'one of 64x96'],
      [observe([frame('wrist')], 6), '7 state numbers, but the observation holds 6'],
      [{ ...observe(), state: new Float64Array(7).fill(Number.NaN) }, 'finite'],
    ];
    for (const [observation, complaint] of refused) {
      await expect(policy.infer(observation)).rejects.toMatchObject({
        code: 'OBSERVATION_MISMATCH',
        message: expect.stringContaining(complaint),
      });
    }
    const expected = (await policy.infer(observe())).actions;
    await policy.close();
    const mapped = await openPolicy(checkpoint, { cameras: { wrist: 'external' } });
    expect((await mapped.infer(observe([frame('external')]))).actions).toEqual(expected);
    await mapped.close();
  });

  it('stops between two stages when it is told to, and works on', async () => {
    const policy = await openPolicy(checkpoint);
    const abort = new AbortController();
    const stages: string[] = [];
    const options = {
      signal: abort.signal,
      onStage: (stage: string) => {
        stages.push(stage);
        if (stage === 'backbone 1') abort.abort(new Error('enough'));
      },
    };
    await expect(policy.infer(observe(), options)).rejects.toThrow('enough');
    expect(stages).not.toContain('transformer');
    expect((await policy.infer(observe())).rows).toBe(10);
    await policy.close();
  });

  it('is opened through the symbolic links of a download cache', async () => {
    const blobs = join(root, 'hub', 'blobs');
    const snapshot = join(root, 'hub', 'snapshots', 'abc');
    mkdirSync(blobs, { recursive: true });
    mkdirSync(snapshot, { recursive: true });
    for (const [i, name] of readdirSync(checkpoint).entries()) {
      copyFileSync(join(checkpoint, name), join(blobs, `hash${i}`));
      symlinkSync(join('..', '..', 'blobs', `hash${i}`), join(snapshot, name));
    }
    const policy = await openPolicy(snapshot);
    expect((await policy.infer(observe())).rows).toBe(10);
    await policy.close();
  });

  it('is refused when a tensor is cut off, and its actions are dropped when they are not numbers', async () => {
    const copy = join(root, 'damaged');
    mkdirSync(copy);
    for (const name of readdirSync(checkpoint)) copyFileSync(join(checkpoint, name), join(copy, name));
    const file = join(copy, 'model.safetensors');
    const { tensors } = await openSafetensors(file);
    const handle = openSync(file, 'r+');
    writeSync(
      handle,
      Buffer.from(Float32Array.of(Number.NaN).buffer),
      0,
      4,
      tensors.get('model.action_head.bias')?.begin,
    );
    closeSync(handle);
    const policy = await openPolicy(copy);
    await expect(policy.infer(observe())).rejects.toMatchObject({ code: 'POLICY_OUTPUT_INVALID' });
    await policy.close();
    truncateSync(file, 1_000_000);
    await expect(openPolicy(copy)).rejects.toMatchObject({ code: 'TENSOR_INVALID' });
  });
});

describe("a model's thread", () => {
  it('reports a model it cannot load', async () => {
    const stages = [{ name: 'broken', model: Uint8Array.of(1, 2, 3) }];
    await expect(Session.open({ stages, folder: root })).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringContaining('load (broken)'),
    });
  });

  it('fails the run in progress and every later one when it dies', async () => {
    const entry = fileURLToPath(new URL('support/dying-worker.mjs', import.meta.url));
    const session = await Session.open({ stages: [], folder: root, entry });
    await expect(session.run('model', {})).rejects.toThrow('out of memory, as it were');
    await expect(session.run('model', {})).rejects.toMatchObject({ code: 'MODEL_FAILED' });
    await session.close();
  });

  it('keeps results for later stages and gives input buffers back', async () => {
    const graph = new Graph('double');
    const x = graph.input('x', [2]);
    graph.output('y', graph.node('Add', [x, x]), [2]);
    const session = await Session.open({
      stages: [{ name: 'double', model: graph.toBytes() }],
      folder: root,
    });
    const data = Float32Array.of(1, 2);
    const first = await session.run('double', { x: { shape: [2], data } }, { keep: { y: 'doubled' } });
    expect(data.length).toBe(0);
    expect([...(first.inputs.x?.data ?? [])]).toEqual([1, 2]);
    const second = await session.run('double', { x: { kept: 'doubled' } }, { fetch: ['y'] });
    expect([...(second.outputs.y?.data ?? [])]).toEqual([4, 8]);
    await expect(session.run('double', { x: { kept: 'nothing' } })).rejects.toThrow('nothing is kept');
    await session.close();
  });
});

describe('weights in a safetensors file', () => {
  it('are used where they lie, in float32, half or brain float, at any offset', async () => {
    const file = join(root, 'halves.safetensors');
    const header = JSON.stringify({
      odd: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
      'head.weight': { dtype: 'BF16', shape: [2, 2], data_offsets: [1, 9] },
      'head.bias': { dtype: 'F16', shape: [2], data_offsets: [9, 13] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    // [[1, 2], [-1, 0.5]] in bfloat16, [0.5, 1] in float16.
    const data = Uint16Array.of(0x3f80, 0x4000, 0xbf80, 0x3f00, 0x3800, 0x3c00);
    writeFileSync(
      file,
      Buffer.concat([length, Buffer.from(header), Uint8Array.of(9), Buffer.from(data.buffer)]),
    );
    const tensors = await openSafetensors(file);
    const source = new FileTensors(tensors);
    const graph = new Graph('head');
    const x = graph.input('x', [1, 2]);
    graph.output('y', linear(new Weights(graph, source).part('head'), x, 2, 2), [1, 2]);
    const session = await Session.open({
      stages: [{ name: 'head', model: graph.toBytes() }],
      folder: dirname(tensors.path),
    });
    const input = { shape: [1, 2], data: Float32Array.of(3, 4) };
    const { outputs } = await session.run('head', { x: input }, { fetch: ['y'] });
    expect([...(outputs.y?.data ?? [])]).toEqual([11.5, 0]);
    await session.close();
    expect([...source.used]).toEqual(['head.weight', 'head.bias']);
    expect(() => source.find('head.weight', [2, 3])).toThrow('expected [2, 3], found [2, 2]');
    expect(() => source.find('tail.weight', [1])).toThrow('Tensor "tail.weight"');
  });
});

describe('a plain ONNX model with its manifest', () => {
  const file = join(root, 'policy.onnx');
  /** actions[row] = state + mean of the picture, for two rows. */
  const graph = new Graph('plain');
  const picture = graph.input('image', ['batch', 3, 2, 2]);
  const state = graph.input('qpos', [1, 2]);
  const mean = graph.node('Reshape', [graph.node('GlobalAveragePool', [picture]), graph.integers(1, 3)]);
  const red = graph.node('Slice', [mean, graph.integers(0), graph.integers(1), graph.integers(1)]);
  const row = graph.node('Add', [state, red]);
  graph.output(
    'actions',
    graph.node('Unsqueeze', [graph.node('Concat', [row, row], { axis: { int: 0 } }), graph.integers(0)]),
    [1, 2, 2],
  );
  writeFileSync(file, graph.toBytes());

  const manifest = {
    format: 'myelin-onnx/1',
    inputs: {
      image: { kind: 'picture', camera: 'top', width: 2, height: 2 },
      qpos: { kind: 'state', length: 2, normalization: { mode: 'MEAN_STD', mean: [1, 1], std: [1, 1] } },
    },
    output: {
      name: 'actions',
      chunkRows: 2,
      actionLength: 2,
      normalization: { mode: 'MIN_MAX', min: [0, 0], max: [2, 4] },
    },
    stepPeriodS: 0.1,
  };
  const open = (changes: object) => {
    writeFileSync(join(root, 'policy.json'), JSON.stringify({ ...manifest, ...changes }));
    return openPolicy(file);
  };

  it('runs, its numbers scaled both ways', async () => {
    const policy = await open({});
    const chunk = await policy.infer({
      ...observe([frame('top', 2, 2)], 2),
      state: Float64Array.of(1.5, 0.5),
    });
    expect(chunk).toMatchObject({ rows: 2, dof: 2, stepPeriodS: 0.1 });
    const bright = 100 / 255;
    const expected = [0.5 + bright + 1, 2 * (-0.5 + bright + 1)];
    for (const [i, action] of chunk.actions.entries()) expect(action).toBeCloseTo(expected[i % 2] ?? 0, 5);
    await policy.close();
  });

  it('is refused when the manifest and the model do not agree', async () => {
    const { image, qpos } = manifest.inputs;
    await expect(open({ inputs: { image } })).rejects.toThrow('"qpos" is not described');
    await expect(open({ inputs: { image, qpos, more: qpos } })).rejects.toThrow('no input "more"');
    await expect(open({ inputs: { image: { ...image, width: 4 }, qpos } })).rejects.toThrow('inputs.image');
    await expect(open({ output: { ...manifest.output, name: 'x' } })).rejects.toThrow(
      'the model has "actions"',
    );
    await expect(open({ colour: 'red' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const wrong = await open({ output: { ...manifest.output, chunkRows: 3 } });
    await expect(wrong.infer(observe([frame('top', 2, 2)], 2))).rejects.toMatchObject({
      code: 'POLICY_OUTPUT_INVALID',
    });
    await wrong.close();
  });
});
