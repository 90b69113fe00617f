import { describe, expect, it } from 'vitest';
import { elementCount } from '../safetensors.ts';
import { positionRows } from './smolvla.ts';
import { emptySlots, type SmolVlaConfig, smolVlaInterface } from './smolvla-config.ts';
import { SMOLVLA_FULL_SIZES, smolVlaConfig } from './smolvla-full-size.ts';
import { smolVlaKind } from './smolvla-kind.ts';
import { expertLayers } from './smolvla-layers.ts';
import { prefixLayout } from './smolvla-prefix.ts';
import { smolVlaSizes } from './smolvla-sizes.ts';
import { smolVlaStoredTensors } from './smolvla-tensors.ts';

const FULL = smolVlaStoredTensors(smolVlaConfig(), 'config.json', SMOLVLA_FULL_SIZES);
const EMBEDDING = 'model.vlm_with_expert.vlm.model.text_model.embed_tokens.weight';
const KEYS = 'model.vlm_with_expert.vlm.model.text_model.layers.0.self_attn.k_proj.weight';

describe('SmolVLA', () => {
  it('has the 500 tensors and 450 million weights of the published one, and finds its sizes in their shapes', () => {
    const weights = [...FULL.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
    expect([FULL.size, weights]).toEqual([500, 450_046_176]);
    expect(smolVlaSizes(smolVlaConfig(), 'model.safetensors', FULL)).toEqual(SMOLVLA_FULL_SIZES);
  });

  it('has no use for the language head and what follows the last keys and values', () => {
    const unused = smolVlaKind.trainingTensors(smolVlaConfig(), 'config.json', FULL);
    expect(unused.has('model.vlm_with_expert.vlm.lm_head.weight')).toBe(true);
    expect([...unused.keys()].filter((name) => /layers\.15\.mlp|text_model\.norm/.test(name))).toHaveLength(
      4,
    );
    expect(unused.size).toBe(8);
  });

  it('says which tensor contradicts the configuration', () => {
    const changed = (name: string, shape: readonly number[] | undefined) => {
      const tensors = new Map(FULL);
      if (shape === undefined) tensors.delete(name);
      else tensors.set(name, shape);
      return () => smolVlaSizes(smolVlaConfig(), 'model.safetensors', tensors);
    };
    expect(changed(EMBEDDING, undefined)).toThrow(
      `Tensor "${EMBEDDING}" in model.safetensors: it is missing`,
    );
    expect(changed(EMBEDDING, [49_280])).toThrow('expected 2 extents, found [49280]');
    expect(changed(KEYS, [100, 960])).toThrow('makes 1.5625 heads of 64');
    expect(changed(KEYS, [7 * 64, 960])).toThrow('query heads for each');
    const config = (changes: Partial<SmolVlaConfig>) => () => smolVlaSizes(smolVlaConfig(changes), 'f', FULL);
    expect(config({ expert_width_multiplier: 0.5 })).toThrow('makes a width of 480, not 720');
    expect(config({ num_vlm_layers: 12 })).toThrow('num_vlm_layers is 12, the weights hold 16');
    expect(config({ num_expert_layers: 8 })).toThrow('the configuration makes 8, the weights hold 16');
  });

  it('refuses arrangements of layers that training refuses', () => {
    const layers = (changes: Partial<SmolVlaConfig>, expert: number) =>
      expertLayers(
        smolVlaConfig(changes),
        { ...SMOLVLA_FULL_SIZES, expert: { width: 720, hidden: 2048, layers: expert } },
        'c',
      );
    expect(layers({}, 16).filter(({ attention }) => attention === 'self')).toHaveLength(8);
    expect(layers({ attention_mode: 'self_attn' }, 16).every(({ attention }) => attention === 'self')).toBe(
      true,
    );
    expect(layers({ self_attn_every_n_layers: 0 }, 4).map(({ text }) => text)).toEqual([0, 4, 8, 12]);
    expect(() => layers({}, 5)).toThrow('5 expert layers beside 16');
    expect(() => layers({ attention_mode: 'self_attn' }, 8)).toThrow('8 expert layers beside 16');
    expect(() => layers({}, 8)).toThrow('8 expert layers beside 16');
  });

  it('refuses what it cannot do by name', () => {
    const read = (changes: Partial<SmolVlaConfig>) => () =>
      smolVlaInterface(smolVlaConfig(changes), 'config.json');
    expect(read({ adapt_to_pi_aloha: true })).toThrow('adapt_to_pi_aloha');
    expect(read({ resize_imgs_with_padding: [512, 384] })).toThrow('512x384 is not square');
    expect(read({ max_action_dim: 6 })).toThrow('7 numbers do not fit the 6');
    expect(read({ n_action_steps: 51 })).toThrow('n_action_steps is larger');
  });

  it('shows the model empty slots for absent cameras, as many as it was trained with', () => {
    const config = smolVlaConfig({ empty_cameras: 2 });
    expect([2, 1].map((present) => emptySlots(config, present))).toEqual([2, 2]);
    expect([2, 1].map((present) => emptySlots(smolVlaConfig(), present))).toEqual([0, 0]);
  });

  it('lays marks around each slot, and words and state behind', () => {
    const layout = prefixLayout({
      pictures: [new Float32Array(4), new Float32Array(4)],
      width: 2,
      words: [50, 51],
      emptySlots: 1,
      marks: { around: 8, whole: 9 },
    });
    expect(layout.ids).toEqual([8, 9, 8, 8, 9, 8, 8, 9, 8, 50, 51]);
    expect([...(layout.inputs.order?.data ?? [])].map(Number)).toEqual([
      4, 5, 0, 1, 6, 7, 8, 2, 3, 9, 10, 11, 12, 13, 14, 15,
    ]);
    expect(layout.tokens).toBe(16);
  });

  it('lays the table of positions over pictures of another size', () => {
    expect(positionRows(16, 4)).toBeUndefined();
    expect(positionRows(16, 2)).toEqual([0, 2, 8, 10]);
    expect(positionRows(4, 4)).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]);
  });
});
