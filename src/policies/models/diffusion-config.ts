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
import type { Extents } from '../onnx/resize.ts';
import { featureExtent, RESNETS } from '../onnx/resnet.ts';
import type { DiffusionSettings } from '../samplers/diffusion.ts';
import { BETA_SCHEDULES } from '../samplers/noise-schedule.ts';
import { sevenAxes } from './full-size.ts';

const count = z.int().positive().max(100_000);
const extents = z.tuple([count.max(2048), count.max(2048)]);
/** Matrices that resize a picture grow with it; no camera's is larger. */
const MAX_PICTURE_EXTENT = 8192;

/**
 * `config.json` of a diffusion policy. Defaults changed over versions, but every version since configurations have a
 * `type` (LeRobot 0.1 of January 2025) wrote all of these, but for two: before 0.4.4 there was no resizing, and thus
 * neither `resize_shape` nor `crop_ratio`.
 */
export const diffusionConfigSchema = z.looseObject({
  type: z.literal('diffusion'),
  n_obs_steps: count.max(64),
  horizon: count.max(4096),
  n_action_steps: count,
  input_features: z.record(z.string(), featureSchema),
  output_features: z.record(z.string(), featureSchema),
  normalization_mapping: z.record(z.string(), normModeSchema),
  vision_backbone: z.string(),
  /** [height, width] */
  resize_shape: extents.nullable().default(null),
  crop_ratio: z.number().positive().max(1).default(1),
  crop_shape: extents.nullable(),
  use_group_norm: z.boolean(),
  spatial_softmax_num_keypoints: count,
  use_separate_rgb_encoder_per_camera: z.boolean(),
  down_dims: z.array(count).min(1).max(12),
  kernel_size: count.max(99),
  n_groups: count,
  diffusion_step_embed_dim: count,
  use_film_scale_modulation: z.boolean(),
  noise_scheduler_type: z.enum(['DDPM', 'DDIM']),
  num_train_timesteps: count,
  beta_schedule: z.enum(BETA_SCHEDULES),
  beta_start: z.number().positive().lt(1),
  beta_end: z.number().positive().lt(1),
  prediction_type: z.enum(['epsilon', 'sample']),
  clip_sample: z.boolean(),
  clip_sample_range: z.number().positive(),
  num_inference_steps: count.nullable(),
});

export type DiffusionConfig = z.infer<typeof diffusionConfigSchema>;

/** A configuration as LeRobot's trainer writes it, at its full size (290 M weights), for a 7-axis arm. */
export function diffusionConfig(changes: Partial<DiffusionConfig> = {}): DiffusionConfig {
  return {
    type: 'diffusion',
    n_obs_steps: 2,
    horizon: 64,
    n_action_steps: 32,
    ...sevenAxes(),
    normalization_mapping: { VISUAL: 'MEAN_STD', STATE: 'MIN_MAX', ACTION: 'MIN_MAX' },
    vision_backbone: 'resnet18',
    resize_shape: null,
    crop_ratio: 1,
    crop_shape: null,
    pretrained_backbone_weights: null,
    use_group_norm: false,
    spatial_softmax_num_keypoints: 32,
    use_separate_rgb_encoder_per_camera: true,
    down_dims: [512, 1024, 2048],
    kernel_size: 5,
    n_groups: 8,
    diffusion_step_embed_dim: 128,
    use_film_scale_modulation: true,
    noise_scheduler_type: 'DDPM',
    num_train_timesteps: 100,
    beta_schedule: 'squaredcos_cap_v2',
    beta_start: 0.0001,
    beta_end: 0.02,
    prediction_type: 'epsilon',
    clip_sample: true,
    clip_sample_range: 1,
    num_inference_steps: null,
    ...changes,
  };
}

/** What a configuration takes and gives, in the model's own order. */
export interface DiffusionInterface {
  readonly cameras: readonly string[];
  /** Size of every camera's pictures, and what the encoder sees of them; undefined without cameras. */
  readonly pictures: PictureSizes | undefined;
  readonly stateLength: number;
  readonly environmentLength: number | undefined;
  readonly actionLength: number;
  /** Numbers that one observation gives the U-Net. */
  readonly observationWidth: number;
}

export interface PictureSizes {
  readonly camera: Extents;
  readonly resized: Extents;
  readonly cropped: Extents;
  /** Cells of the last feature map. */
  readonly cells: number;
}

/** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED */
export function diffusionInterface(config: DiffusionConfig, file: string): DiffusionInterface {
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  const vector = (features: Readonly<Record<string, Feature>>, name: string) => {
    const feature = features[name];
    if (feature !== undefined && feature.shape.length !== 1)
      throw invalid(`${name}: shape must have one extent`);
    return feature?.shape[0];
  };
  const actionLength = vector(config.output_features, ACTION);
  const stateLength = vector(config.input_features, STATE);
  const environmentLength = vector(config.input_features, ENVIRONMENT_STATE);
  const pictures = Object.entries(config.input_features).filter(([, { type }]) => type === 'VISUAL');
  if (actionLength === undefined) throw invalid('output_features must name "action"');
  if (stateLength === undefined) throw invalid('input_features must name "observation.state"');
  if (pictures.length === 0 && environmentLength === undefined) {
    throw invalid('input_features must name a picture or observation.environment_state');
  }
  checkNumbers(config, invalid);
  const cameras = pictures.map(([name]) => name);
  const keypoints = cameras.length * 2 * config.spatial_softmax_num_keypoints;
  return {
    cameras,
    pictures: pictures.length === 0 ? undefined : pictureSizes(config, file, pictures),
    stateLength,
    environmentLength,
    actionLength,
    observationWidth: stateLength + keypoints + (environmentLength ?? 0),
  };
}

/** How the noise is walked back. */
export function samplingOf(config: DiffusionConfig): DiffusionSettings {
  return {
    trainSteps: config.num_train_timesteps,
    betaSchedule: config.beta_schedule,
    betaStart: config.beta_start,
    betaEnd: config.beta_end,
    predicts: config.prediction_type,
    clipRange: config.clip_sample ? config.clip_sample_range : undefined,
  };
}

type Invalid = (detail: string) => MyelinError;

function checkNumbers(config: DiffusionConfig, invalid: Invalid): void {
  const { horizon, n_obs_steps: observations, down_dims: levels, n_groups: groups } = config;
  const factor = 2 ** levels.length;
  if (horizon % factor !== 0)
    throw invalid(`horizon must be divisible by ${factor}, 2 to the power of down_dims' length`);
  if (config.n_action_steps > horizon - observations + 1) {
    throw invalid('n_action_steps must be at most horizon - n_obs_steps + 1');
  }
  if (config.kernel_size % 2 === 0) throw invalid('kernel_size must be odd');
  if (config.diffusion_step_embed_dim % 2 !== 0 || config.diffusion_step_embed_dim < 4)
    throw invalid('diffusion_step_embed_dim must be even and at least 4');
  if (levels.some((width) => width % groups !== 0)) throw invalid('down_dims must be divisible by n_groups');
  if ((levels[0] as number) % 8 !== 0) throw invalid('the first of down_dims must be divisible by 8');
  if ((config.num_inference_steps ?? 1) > config.num_train_timesteps) {
    throw invalid('num_inference_steps must be at most num_train_timesteps');
  }
}

function pictureSizes(config: DiffusionConfig, file: string, pictures: [string, Feature][]): PictureSizes {
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  const shape = pictures[0]?.[1].shape ?? [];
  for (const [name, feature] of pictures) {
    if (feature.shape.length !== 3 || feature.shape[0] !== 3) {
      throw invalid(`${name}: shape must be [3, height, width], is [${feature.shape.join(', ')}]`);
    }
    if (feature.shape.some((extent) => extent > MAX_PICTURE_EXTENT)) {
      throw invalid(`${name}: pictures must be at most ${MAX_PICTURE_EXTENT} pixels high and wide`);
    }
    if (feature.shape.join() !== shape.join()) throw invalid(`${name}: all pictures must have one shape`);
  }
  if (!RESNETS.has(config.vision_backbone)) {
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file,
      feature: `the backbone "${config.vision_backbone}"`,
      advice: `Known ones: ${[...RESNETS.keys()].join(', ')}.`,
    });
  }
  const camera = { height: shape[1] as number, width: shape[2] as number };
  const resized = sized(config.resize_shape) ?? camera;
  const cropped = cropOf(config) ?? resized;
  if (cropped.height < 1 || cropped.width < 1) throw invalid('crop_ratio leaves nothing of the pictures');
  if (cropped.height > resized.height || cropped.width > resized.width) {
    throw invalid(
      `crop_shape must fit within pictures of ${resized.height}x${resized.width} (height x width)`,
    );
  }
  const cells = featureExtent(cropped.height, false) * featureExtent(cropped.width, false);
  return { camera, resized, cropped, cells };
}

const sized = (shape: readonly [number, number] | null): Extents | undefined =>
  shape === null ? undefined : { height: shape[0], width: shape[1] };

/** Where pictures are resized, the ratio alone says what is cropped; `crop_shape` is for those that are not. */
function cropOf({ resize_shape: resized, crop_ratio: ratio, crop_shape: crop }: DiffusionConfig) {
  if (resized === null) return sized(crop);
  if (ratio === 1) return undefined;
  return { height: Math.trunc(resized[0] * ratio), width: Math.trunc(resized[1] * ratio) };
}
