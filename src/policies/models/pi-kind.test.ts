import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import type { ModelKind } from './kind.ts';
import { piInterface } from './pi-config.ts';
import { pi05Config } from './pi-full-size.ts';
import { pi0Kind, pi05Kind } from './pi-kind.ts';
import { piSizes } from './pi-sizes.ts';

const FIXTURES = fileURLToPath(new URL('../../../tools/parity/fixtures/pi', import.meta.url));
const read = (...path: string[]) => JSON.parse(readFileSync(join(FIXTURES, ...path), 'utf8'));
const FILE = 'config.json';
const none = new Map<string, readonly number[]>();

/** What LeRobot saves of a network of these sizes. */
function saved(type: 'pi0' | 'pi05') {
  const config = read(`${type}-two-cameras`, FILE);
  const tensors = new Map<string, number[]>(
    Object.entries(read(`${type}-two-cameras`, 'reference.json').tensors),
  );
  return { config, tensors };
}

describe('pi0 and pi05 checkpoints', () => {
  for (const kind of [pi0Kind, pi05Kind] as ModelKind[]) {
    const type = kind.type as 'pi0' | 'pi05';

    it(`use or know to be unused every tensor that LeRobot saves: ${type}`, () => {
      const { config, tensors } = saved(type);
      const parsed = kind.schema.parse(config);
      const used = kind.tensors(parsed, FILE, tensors);
      const unused = kind.trainingTensors(parsed, FILE, tensors);
      expect([...used.keys(), ...unused.keys()].sort()).toEqual([...tensors.keys()].sort());
      for (const [name, shape] of used) expect(tensors.get(name), name).toEqual(shape);
    });

    it(`name what a file lacks as LeRobot would: ${type}`, () => {
      const { config, tensors } = saved(type);
      tensors.delete('model.action_out_proj.bias');
      tensors.delete('model.paligemma_with_expert.gemma_expert.model.layers.1.mlp.up_proj.weight');
      const used = kind.tensors(kind.schema.parse(config), FILE, tensors);
      expect([...used.keys()].filter((name) => !tensors.has(name)).sort()).toEqual([
        'model.action_out_proj.bias',
        'model.paligemma_with_expert.gemma_expert.model.layers.1.mlp.up_proj.weight',
      ]);
    });
  }

  it('keep a layer that lost a tensor, so that it is missed', () => {
    const { config, tensors } = saved('pi05');
    const tower = 'model.paligemma_with_expert.paligemma.model.vision_tower.vision_model';
    tensors.delete(`${tower}.encoder.layers.1.layer_norm1.bias`);
    const used = pi05Kind.tensors(pi05Kind.schema.parse(config), FILE, tensors);
    expect([...used.keys()].filter((name) => !tensors.has(name))).toHaveLength(1);
  });

  it('are refused when their parts do not fit each other', () => {
    const expert = 'model.paligemma_with_expert.gemma_expert.model.layers';
    const tower = 'model.paligemma_with_expert.paligemma.model.vision_tower.vision_model';
    const changes: [string, number[], string][] = [
      [`${expert}.3.mlp.up_proj.weight`, [1, 1], 'its expert has 4 layers'],
      [`${expert}.0.self_attn.k_proj.weight`, [16, 32], 'heads are 16 wide'],
      [`${tower}.embeddings.patch_embedding.weight`, [30, 3, 14, 14], 'no multiple of its 16 heads'],
      [`${tower}.embeddings.patch_embedding.weight`, [32, 3, 999, 999], 'larger than its pictures'],
      [`${tower}.encoder.layers.999.x`, [1], 'it has 1000 layers'],
    ];
    for (const [name, shape, complaint] of changes) {
      const { config, tensors } = saved('pi05');
      tensors.set(name, shape);
      expect(() => pi05Kind.tensors(pi05Kind.schema.parse(config), FILE, tensors)).toThrow(complaint);
    }
  });

  it('have the published sizes where no tensor says otherwise', () => {
    const shapes = pi05Kind.tensors(pi05Config(), FILE, none);
    const weights = [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(weights).toBe(3_353_433_872);
    const language = 'model.paligemma_with_expert.paligemma.model.language_model';
    expect(shapes.get(`${language}.embed_tokens.weight`)).toEqual([257_152, 2048]);
    expect(shapes.get(`${language}.layers.17.mlp.down_proj.weight`)).toEqual([2048, 16_384]);
    expect(piSizes(pi05Config(), none, FILE).vision).toMatchObject({ layers: 27, positions: 256 });
  });

  it('leave out cameras that no robot has, and take every other as optional', () => {
    const config = pi05Config();
    const empty = { 'observation.images.empty_camera_0': { type: 'VISUAL' as const, shape: [3, 224, 224] } };
    const { cameras } = piInterface(
      { ...config, input_features: { ...empty, ...config.input_features } },
      FILE,
    );
    expect(cameras.map(({ feature }) => feature)).toEqual([
      'observation.images.external',
      'observation.images.wrist',
    ]);
  });

  it('are refused with a reason when their configuration cannot be run', () => {
    const { input_features } = pi05Config();
    const refused: [object, string][] = [
      [{ use_visual_memory: true }, 'memory of earlier observations'],
      [{ use_proprioceptive_memory: true }, 'memory of earlier observations'],
      [{ normalization_mapping: { VISUAL: 'MEAN_STD' } }, 'MEAN_STD of pictures'],
      [{ image_resolution: [224, 256] }, 'square'],
      [{ n_action_steps: 51 }, 'n_action_steps'],
      [{ max_state_dim: 6 }, 'more than max_state_dim'],
      [{ max_action_dim: 6 }, 'more than max_action_dim'],
      [{ input_features: { 'observation.state': { type: 'STATE', shape: [7] } } }, 'a picture'],
      [
        {
          input_features: { ...input_features, 'observation.images.x': { type: 'VISUAL', shape: [1, 4, 4] } },
        },
        '[3, height, width]',
      ],
    ];
    for (const [changes, complaint] of refused) {
      expect(() => piInterface(pi05Config(changes), FILE), complaint).toThrow(complaint);
    }
    expect(pi05Kind.schema.safeParse({ ...pi05Config(), paligemma_variant: 'gemma_9b' }).success).toBe(false);
  });

  it('answer any configuration with a description or an error of their own', () => {
    const original = pi05Config();
    const changes = fc.dictionary(
      fc.constantFrom(...Object.keys(original)),
      fc.oneof(fc.jsonValue(), fc.integer(), fc.constant({ x: { type: 'VISUAL', shape: [3, 4] } })),
      { minKeys: 1, maxKeys: 3 },
    );
    fc.assert(
      fc.property(changes, (changed) => {
        const parsed = pi05Kind.schema.safeParse({ ...original, ...changed });
        if (!parsed.success) return;
        try {
          expect(pi05Kind.describe(parsed.data, FILE).chunkRows).toBeGreaterThan(0);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(MyelinError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
