import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { ACTION, type Feature, featureSchema, normModeSchema, STATE } from '../features.ts';
import type { RealTimeSupport } from '../policy.ts';
import type { ModelDescription } from './kind.ts';
import { realTimeSupport, rtcConfigSchema } from './rtc-config.ts';

const count = z.int().positive().max(100_000);
const variant = z.enum(['gemma_2b', 'gemma_300m']);

const common = {
  n_obs_steps: z.literal(1),
  input_features: z.record(z.string(), featureSchema),
  output_features: z.record(z.string(), featureSchema),
  normalization_mapping: z.record(z.string(), normModeSchema),
  paligemma_variant: variant,
  action_expert_variant: variant,
  chunk_size: count.max(10_000),
  n_action_steps: count,
  max_state_dim: count.max(4096),
  max_action_dim: count.max(4096),
  num_inference_steps: count.max(1000),
  min_period: z.number().positive(),
  max_period: z.number().positive(),
  image_resolution: z.tuple([count.max(4096), count.max(4096)]),
  rtc_config: rtcConfigSchema,
};

/** `config.json` of a pi0 checkpoint. */
export const pi0ConfigSchema = z.looseObject({ type: z.literal('pi0'), ...common });

/** `config.json` of a pi05 checkpoint. Features that older versions did not have are off when they are not named. */
export const pi05ConfigSchema = z.looseObject({
  type: z.literal('pi05'),
  ...common,
  use_visual_memory: z.boolean().default(false),
  use_proprioceptive_memory: z.boolean().default(false),
  rtc_training_max_delay: z.int().nonnegative().default(0),
});

export type Pi0Config = z.infer<typeof pi0ConfigSchema>;
export type Pi05Config = z.infer<typeof pi05ConfigSchema>;
export type PiConfig = Pi0Config | Pi05Config;

export interface PiCamera {
  readonly feature: string;
  readonly width: number;
  readonly height: number;
}

/** What a configuration takes and gives. */
export interface PiInterface {
  /** In the order of the file. Each may be absent from an observation, but not all. */
  readonly cameras: readonly PiCamera[];
  readonly stateLength: number;
  readonly actionLength: number;
  /** Side of the square picture the vision tower sees, pixels. */
  readonly side: number;
  readonly realTime: RealTimeSupport;
}

/** Stand-ins for cameras that other robots had: never seen, always masked. */
const EMPTY_CAMERA = 'observation.images.empty_camera_';

/** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED */
export function piInterface(config: PiConfig, file: string): PiInterface {
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  const length = (features: Readonly<Record<string, Feature>>, name: string, most: number, key: string) => {
    const shape = features[name]?.shape ?? [most];
    if (shape.length !== 1) throw invalid(`${name}: shape must have one extent`);
    const [extent = 0] = shape;
    if (extent > most) throw invalid(`${name}: ${extent} numbers are more than ${key}, ${most}`);
    return extent;
  };
  const cameras = Object.entries(config.input_features)
    .filter(([name, { type }]) => type === 'VISUAL' && !name.startsWith(EMPTY_CAMERA))
    .map(([feature, { shape }]) => {
      const [channels, height, width] = shape;
      if (shape.length !== 3 || channels !== 3) {
        throw invalid(`${feature}: shape must be [3, height, width], is [${shape.join(', ')}]`);
      }
      return { feature, height: height as number, width: width as number };
    });
  if (cameras.length === 0) throw invalid('input_features must name a picture');
  if (config.n_action_steps > config.chunk_size) throw invalid('n_action_steps is larger than chunk_size');
  const [height, width] = config.image_resolution;
  if (height !== width) throw invalid(`image_resolution must be square, is ${height}x${width}`);
  checkSupport(config, file);
  return {
    cameras,
    stateLength: length(config.input_features, STATE, config.max_state_dim, 'max_state_dim'),
    actionLength: length(config.output_features, ACTION, config.max_action_dim, 'max_action_dim'),
    side: height,
    realTime: realTimeSupport(config.rtc_config, config.type === 'pi05' ? config.rtc_training_max_delay : 0),
  };
}

function checkSupport(config: PiConfig, file: string): void {
  const unsupported = (feature: string, advice: string) =>
    new MyelinError('CHECKPOINT_UNSUPPORTED', { file, feature, advice });
  if (config.type === 'pi05' && (config.use_visual_memory || config.use_proprioceptive_memory)) {
    throw unsupported('memory of earlier observations', 'Checkpoints without use_*_memory run here.');
  }
  const visual = config.normalization_mapping.VISUAL ?? 'IDENTITY';
  if (visual !== 'IDENTITY') {
    throw unsupported(
      `${visual} of pictures`,
      'The vision tower expects them from 0 to 1: VISUAL must be IDENTITY.',
    );
  }
}

/** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED */
export function describePi(config: PiConfig, file: string): ModelDescription {
  const { stateLength, actionLength } = piInterface(config, file);
  return {
    inputs: { [STATE]: { type: 'STATE', shape: [stateLength] }, ...config.input_features },
    outputs: { [ACTION]: { type: 'ACTION', shape: [actionLength] }, ...config.output_features },
    normalization: config.normalization_mapping,
    chunkRows: config.chunk_size,
    actionSteps: config.n_action_steps,
  };
}
