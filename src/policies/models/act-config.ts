import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import {
  ACTION,
  ENVIRONMENT_STATE,
  type Feature,
  featureSchema,
  normModeSchema,
  STATE,
} from '../features.ts';
import { RESNETS } from '../onnx/resnet.ts';
import { sevenAxes } from './full-size.ts';

const count = z.int().positive().max(100_000);

/** `config.json` of an ACT checkpoint. Every number is read; none is assumed, as defaults changed over versions. */
export const actConfigSchema = z.looseObject({
  type: z.literal('act'),
  n_obs_steps: z.literal(1),
  input_features: z.record(z.string(), featureSchema),
  output_features: z.record(z.string(), featureSchema),
  normalization_mapping: z.record(z.string(), normModeSchema),
  chunk_size: count,
  n_action_steps: count,
  vision_backbone: z.string(),
  replace_final_stride_with_dilation: z.union([z.boolean(), z.int().min(0).max(1)]),
  pre_norm: z.boolean(),
  dim_model: count,
  n_heads: count,
  dim_feedforward: count,
  feedforward_activation: z.string(),
  n_encoder_layers: count.max(256),
  n_decoder_layers: count.max(256),
  use_vae: z.boolean(),
  latent_dim: count,
  n_vae_encoder_layers: count.max(256),
  temporal_ensemble_coeff: z.number().nullable(),
});

export type ActConfig = z.infer<typeof actConfigSchema>;

/** An ACT configuration as LeRobot's trainer writes it, at its full size (52 M weights), for a 7-axis arm. */
export function actConfig(changes: Partial<ActConfig> = {}): ActConfig {
  return {
    type: 'act',
    n_obs_steps: 1,
    ...sevenAxes(),
    normalization_mapping: { VISUAL: 'MEAN_STD', STATE: 'MEAN_STD', ACTION: 'MEAN_STD' },
    chunk_size: 100,
    n_action_steps: 100,
    vision_backbone: 'resnet18',
    pretrained_backbone_weights: null,
    replace_final_stride_with_dilation: false,
    pre_norm: false,
    dim_model: 512,
    n_heads: 8,
    dim_feedforward: 3200,
    feedforward_activation: 'relu',
    n_encoder_layers: 4,
    n_decoder_layers: 1,
    use_vae: true,
    latent_dim: 32,
    n_vae_encoder_layers: 4,
    temporal_ensemble_coeff: null,
    ...changes,
  };
}

export interface ActCamera {
  readonly feature: string;
  readonly height: number;
  readonly width: number;
}

/** What a configuration takes and gives, in the model's own order. */
export interface ActInterface {
  readonly cameras: readonly ActCamera[];
  readonly stateLength: number | undefined;
  readonly environmentLength: number | undefined;
  readonly actionLength: number;
}

/** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED */
export function actInterface(config: ActConfig, file: string): ActInterface {
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  const vector = (features: Readonly<Record<string, Feature>>, name: string) => {
    const feature = features[name];
    if (feature === undefined) return undefined;
    if (feature.shape.length !== 1) throw invalid(`${name}: shape must have one extent`);
    return feature.shape[0];
  };
  const cameras = Object.entries(config.input_features)
    .filter(([, { type }]) => type === 'VISUAL')
    .map(([feature, { shape }]) => {
      const [channels, height, width] = shape;
      if (shape.length !== 3 || channels !== 3) {
        throw invalid(`${feature}: shape must be [3, height, width], is [${shape.join(', ')}]`);
      }
      return { feature, height: height as number, width: width as number };
    });
  const actionLength = vector(config.output_features, ACTION);
  const environmentLength = vector(config.input_features, ENVIRONMENT_STATE);
  if (actionLength === undefined) throw invalid('output_features must name "action"');
  if (cameras.length === 0 && environmentLength === undefined) {
    throw invalid('input_features must name a picture or observation.environment_state');
  }
  if (config.n_action_steps > config.chunk_size) throw invalid('n_action_steps is larger than chunk_size');
  if (config.temporal_ensemble_coeff !== null && config.n_action_steps !== 1) {
    throw invalid('n_action_steps must be 1 with temporal_ensemble_coeff');
  }
  if (config.dim_model % config.n_heads !== 0) throw invalid('dim_model must be divisible by n_heads');
  if (config.dim_model % 2 !== 0) throw invalid('dim_model must be even');
  checkSupport(config, file, cameras.length > 0);
  const stateLength = vector(config.input_features, STATE);
  return { cameras, stateLength, environmentLength, actionLength };
}

function checkSupport(config: ActConfig, file: string, seesPictures: boolean): void {
  const unsupported = (feature: string, advice: string) =>
    new MyelinError('CHECKPOINT_UNSUPPORTED', { file, feature, advice });
  const net = RESNETS.get(config.vision_backbone);
  if (seesPictures && net === undefined) {
    throw unsupported(
      `the backbone "${config.vision_backbone}"`,
      `Known ones: ${[...RESNETS.keys()].join(', ')}.`,
    );
  }
  if (seesPictures && config.replace_final_stride_with_dilation && !net?.bottleneck) {
    throw unsupported(
      `replace_final_stride_with_dilation with ${config.vision_backbone}`,
      'Its blocks cannot dilate (training refuses it too); resnet50 and deeper can.',
    );
  }
  if (!['relu', 'gelu'].includes(config.feedforward_activation)) {
    throw unsupported(
      `the activation "${config.feedforward_activation}"`,
      'Known ones: relu, gelu ("glu" halves the width that the next layer expects, so it fails in training too).',
    );
  }
}
