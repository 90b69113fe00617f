import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MyelinError } from '../core/errors.ts';
import { inspectCheckpoint } from './checkpoint.ts';
import { openPipelines, readCheckpointFolder } from './checkpoint-folder.ts';
import { actInventory, actTrainingTensors } from './models/act.ts';
import { type ActConfig, actConfig, actInterface } from './models/act-config.ts';
import { smallActConfig } from './models/act-small.ts';
import { elementCount } from './safetensors.ts';
import { writeSafetensors } from './safetensors-writer.ts';
import { createSeededCheckpoint } from './seeded-checkpoint.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SMALL = smallActConfig();
const good = join(folder, 'good');
beforeAll(() => createSeededCheckpoint(good, SMALL, 1));

let copies = 0;
const changed = (changes: Partial<Record<keyof ActConfig, unknown>>): string => {
  const copy = join(folder, `copy-${copies++}`);
  cpSync(good, copy, { recursive: true });
  writeFileSync(join(copy, 'config.json'), JSON.stringify({ ...SMALL, ...changes }));
  return copy;
};

describe('a checkpoint', () => {
  it('tells what it takes and gives without being loaded', async () => {
    const report = await inspectCheckpoint(good);
    expect(report).toMatchObject({ type: 'act', legacy: false, chunkRows: 5, actionSteps: 2 });
    expect(report.inputs.map(({ name, shape, normalization }) => [name, shape[0], normalization])).toEqual([
      ['observation.state', 3, 'MEAN_STD'],
      ['observation.environment_state', 7, 'IDENTITY'],
    ]);
    expect([report.missing, report.misshapen, report.unknown]).toEqual([[], [], []]);
  });

  it('holds the 234 tensors and 51.7 million weights of a published full-size ACT', () => {
    const config = actConfig({
      input_features: {
        'observation.state': { type: 'STATE', shape: [6] },
        'observation.images.front': { type: 'VISUAL', shape: [3, 480, 640] },
      },
      output_features: { action: { type: 'ACTION', shape: [6] } },
    });
    const ports = actInterface(config, 'config.json');
    const tensors = new Map([...actInventory(config, ports).shapes, ...actTrainingTensors(config, ports)]);
    const weights = [...tensors.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
    expect([tensors.size, weights]).toEqual([234, 51_668_614]);
  });

  it('is found inside a training run', async () => {
    const run = join(folder, 'run');
    mkdirSync(join(run, 'checkpoints', 'last'), { recursive: true });
    cpSync(good, join(run, 'checkpoints', 'last', 'pretrained_model'), { recursive: true });
    expect((await readCheckpointFolder(run)).folder).toMatch(/last\/pretrained_model$/);
    expect((await readCheckpointFolder(join(run, 'checkpoints', 'last'))).folder).toMatch(
      /pretrained_model$/,
    );
  });

  it('has its missing, misshapen and unknown tensors named', async () => {
    const copy = changed({});
    const shapes = new Map(actInventory(SMALL, actInterface(SMALL, 'config.json')).shapes);
    shapes.delete('model.action_head.bias');
    shapes.set('model.decoder.norm.weight', [9]);
    shapes.set('model.extra.weight', [1]);
    const tensors = [...shapes].map(([name, shape]) => ({
      name,
      shape,
      values: () => new Float32Array(shape.reduce((product, n) => product * n, 1)),
    }));
    await writeSafetensors(join(copy, 'model.safetensors'), tensors);
    const report = await inspectCheckpoint(copy);
    expect(report.missing).toEqual([{ tensor: 'model.action_head.bias', expected: [3] }]);
    expect(report.misshapen).toEqual([{ tensor: 'model.decoder.norm.weight', expected: [8], found: [9] }]);
    expect(report.unknown).toEqual(['model.extra.weight']);
  });

  it('is refused with a reason when its configuration cannot be run', async () => {
    const picture = {
      ...SMALL.input_features,
      'observation.images.wrist': { type: 'VISUAL', shape: [3, 32, 32] },
    };
    const refused: [Partial<Record<keyof ActConfig, unknown>>, string][] = [
      [{ type: 'groot' }, 'the policy type "groot"'],
      [{ feedforward_activation: 'glu' }, 'the activation "glu"'],
      [{ vision_backbone: 'efficientnet', input_features: picture }, 'the backbone "efficientnet"'],
      [{ replace_final_stride_with_dilation: true, input_features: picture }, 'with resnet18'],
      [{ n_action_steps: 6 }, 'n_action_steps is larger'],
      [{ temporal_ensemble_coeff: 0.01 }, 'n_action_steps must be 1'],
      [{ n_heads: 3 }, 'divisible'],
      [{ input_features: { 'observation.state': { type: 'STATE', shape: [3] } } }, 'a picture or'],
      [{ output_features: {} }, '"action"'],
      [{ dim_model: -1 }, 'dim_model'],
      [{ n_obs_steps: 2 }, 'n_obs_steps'],
    ];
    for (const [changes, complaint] of refused) {
      await expect(inspectCheckpoint(changed(changes))).rejects.toThrow(complaint);
    }
    await expect(inspectCheckpoint(join(folder, 'nowhere'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  it('answers any config.json with a report or an error of its own', async () => {
    const copy = changed({});
    const original = JSON.parse(readFileSync(join(good, 'config.json'), 'utf8')) as object;
    const keys = Object.keys(original);
    const mutation = fc.dictionary(
      fc.constantFrom(...keys),
      fc.oneof(fc.jsonValue(), fc.integer(), fc.constant({})),
      {
        minKeys: 1,
        maxKeys: 3,
      },
    );
    await fc.assert(
      fc.asyncProperty(mutation, async (changes) => {
        writeFileSync(join(copy, 'config.json'), JSON.stringify({ ...original, ...changes }));
        const attempt = async () => {
          await openPipelines(await readCheckpointFolder(copy));
          await inspectCheckpoint(copy);
        };
        const thrown: unknown = await attempt().then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(thrown === undefined || thrown instanceof MyelinError, String(thrown)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
