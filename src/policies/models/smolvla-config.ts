import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { ACTION, featureSchema, normModeSchema, STATE } from '../features.ts';
import type { PictureNeed } from '../model.ts';
import { rtcConfigSchema } from './rtc-config.ts';

const count = z.int().positive().max(100_000);

/** `config.json` of a SmolVLA checkpoint. Its language model is only named; its sizes lie in the weights. */
export const smolVlaConfigSchema = z.looseObject({
  type: z.literal('smolvla'),
  n_obs_steps: z.literal(1),
  input_features: z.record(z.string(), featureSchema),
  output_features: z.record(z.string(), featureSchema),
  normalization_mapping: z.record(z.string(), normModeSchema),
  chunk_size: count,
  n_action_steps: count,
  max_state_dim: count,
  max_action_dim: count,
  /** [width, height]. */
  resize_imgs_with_padding: z.tuple([count, count]),
  empty_cameras: z.int().nonnegative().max(64),
  adapt_to_pi_aloha: z.boolean(),
  tokenizer_max_length: count,
  num_steps: count,
  vlm_model_name: z.string(),
  add_image_special_tokens: z.boolean(),
  attention_mode: z.string(),
  num_expert_layers: z.int().max(1000),
  num_vlm_layers: z.int().max(1000),
  self_attn_every_n_layers: z.int().max(1000),
  expert_width_multiplier: z.number().positive().max(16),
  min_period: z.number().positive(),
  max_period: z.number().positive(),
  rtc_config: rtcConfigSchema,
});

export type SmolVlaConfig = z.infer<typeof smolVlaConfigSchema>;

/** What a configuration takes and gives. */
export interface SmolVlaInterface {
  /** In the model's own order. */
  readonly cameras: readonly PictureNeed[];
  readonly stateLength: number;
  readonly actionLength: number;
  /** Side of the square pictures that the vision model sees, pixels. */
  readonly side: number;
}

/** Camera slots that training filled with nothing go by these names. */
const EMPTY_CAMERA = /^observation\.images\.empty_camera_\d+$/;

/** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED */
export function smolVlaInterface(config: SmolVlaConfig, file: string): SmolVlaInterface {
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  const vector = (features: SmolVlaConfig['input_features'], name: string, most: number): number => {
    const [length, ...rest] = features[name]?.shape ?? [];
    if (length === undefined || rest.length > 0) throw invalid(`${name} must be a feature with one extent`);
    if (length > most) throw invalid(`${name}: ${length} numbers do not fit the ${most} the model has`);
    return length;
  };
  const pictures = Object.entries(config.input_features).filter(([, { type }]) => type === 'VISUAL');
  const cameras = pictures
    .filter(([feature]) => !EMPTY_CAMERA.test(feature))
    .map(([feature, { shape }]): PictureNeed => {
      const [channels, height = 0, width = 0] = shape;
      if (shape.length !== 3 || channels !== 3) {
        throw invalid(`${feature}: shape must be [3, height, width], is [${shape.join(', ')}]`);
      }
      return { feature, width, height, anySize: true, optional: true };
    });
  if (cameras.length === 0) throw invalid('input_features must name a picture');
  const [side, height] = config.resize_imgs_with_padding;
  if (side !== height) throw invalid(`resize_imgs_with_padding: ${side}x${height} is not square`);
  if (config.n_action_steps > config.chunk_size) throw invalid('n_action_steps is larger than chunk_size');
  if (config.adapt_to_pi_aloha) {
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file,
      feature: 'adapt_to_pi_aloha',
      advice: 'It turns the joints of one robot, ALOHA, into those of another. Train without it.',
    });
  }
  return {
    cameras,
    stateLength: vector(config.input_features, STATE, config.max_state_dim),
    actionLength: vector(config.output_features, ACTION, config.max_action_dim),
    side,
  };
}

/** Empty camera slots that the model is shown: as many as are absent, at most `empty_cameras`. */
export function emptySlots(config: SmolVlaConfig, present: number): number {
  const named = Object.entries(config.input_features).filter(([, { type }]) => type === 'VISUAL');
  const added = Array.from(
    { length: config.empty_cameras },
    (_, i) => `observation.images.empty_camera_${i}`,
  ).filter((feature) => !Object.hasOwn(config.input_features, feature));
  return Math.min(config.empty_cameras, named.length + added.length - present);
}
