import { describe, expect, it } from 'vitest';
import { diffusionConfig, diffusionConfigSchema, diffusionInterface } from './diffusion-config.ts';

const sizes = (changes: Parameters<typeof diffusionConfig>[0]) =>
  diffusionInterface(diffusionConfig(changes), 'config.json').pictures;

describe('the configuration of a diffusion policy', () => {
  it('counts what an observation gives the network: state, keypoints of each camera, environment', () => {
    expect(diffusionInterface(diffusionConfig(), 'config.json').observationWidth).toBe(7 + 2 * 64);
  });

  it('reads files of before pictures were resized', () => {
    const { resize_shape: _, crop_ratio: __, ...old } = diffusionConfig({ crop_shape: [84, 84] });
    const config = diffusionConfigSchema.parse(old);
    expect(diffusionInterface(config, 'config.json').pictures).toMatchObject({
      resized: { height: 480, width: 640 },
      cropped: { height: 84, width: 84 },
    });
  });

  it('lets the ratio alone say what is cropped of a resized picture', () => {
    const crop_shape: [number, number] = [10, 10];
    expect(sizes({ resize_shape: [96, 128], crop_ratio: 0.9, crop_shape })).toMatchObject({
      resized: { height: 96, width: 128 },
      cropped: { height: 86, width: 115 },
      cells: 12,
    });
    expect(sizes({ resize_shape: [96, 128], crop_ratio: 1, crop_shape })?.cropped).toEqual({
      height: 96,
      width: 128,
    });
  });

  const picture = (shape: number[]) => ({ type: 'VISUAL' as const, shape });
  const state = { type: 'STATE' as const, shape: [7] };
  it.each([
    ['horizon', { horizon: 60 }],
    ['n_action_steps', { n_action_steps: 64 }],
    ['kernel_size', { kernel_size: 4 }],
    ['n_groups', { n_groups: 7 }],
    ['divisible by 8', { n_groups: 2, down_dims: [12, 16] }],
    ['diffusion_step_embed_dim', { diffusion_step_embed_dim: 2 }],
    ['num_inference_steps', { num_inference_steps: 101 }],
    ['crop_shape', { crop_shape: [481, 100] }],
    ['crop_ratio', { resize_shape: [4, 4], crop_ratio: 0.1 }],
    ['resnet9', { vision_backbone: 'resnet9' }],
    ['observation.state', { input_features: { 'observation.images.a': picture([3, 8, 8]) } }],
    ['environment_state', { input_features: { 'observation.state': state } }],
    [
      'one shape',
      {
        input_features: { 'observation.state': state, a: picture([3, 8, 8]), b: picture([3, 8, 9]) },
      },
    ],
    ['3, height, width', { input_features: { 'observation.state': state, a: picture([1, 8, 8]) } }],
    ['8192', { input_features: { 'observation.state': state, a: picture([3, 8, 8193]) } }],
    ['"action"', { output_features: {} }],
  ] as const)('refuses what cannot be, and names it: %s', (name, changes) => {
    const config = diffusionConfig(changes as Parameters<typeof diffusionConfig>[0]);
    expect(() => diffusionInterface(config, 'config.json')).toThrow(name);
  });
});
