import { sevenAxes } from './full-size.ts';
import type { SmolVlaConfig } from './smolvla-config.ts';
import type { SmolVlaSizes } from './smolvla-sizes.ts';

/** A SmolVLA configuration as LeRobot's trainer writes it, at its full size (450 M weights), for a 7-axis arm. */
export function smolVlaConfig(changes: Partial<SmolVlaConfig> = {}): SmolVlaConfig {
  return {
    type: 'smolvla',
    n_obs_steps: 1,
    ...sevenAxes(),
    normalization_mapping: { VISUAL: 'IDENTITY', STATE: 'MEAN_STD', ACTION: 'MEAN_STD' },
    chunk_size: 50,
    n_action_steps: 50,
    max_state_dim: 32,
    max_action_dim: 32,
    resize_imgs_with_padding: [512, 512],
    empty_cameras: 0,
    adapt_to_pi_aloha: false,
    tokenizer_max_length: 48,
    num_steps: 10,
    vlm_model_name: 'HuggingFaceTB/SmolVLM2-500M-Video-Instruct',
    load_vlm_weights: false,
    add_image_special_tokens: false,
    attention_mode: 'cross_attn',
    prefix_length: -1,
    pad_language_to: 'longest',
    num_expert_layers: -1,
    num_vlm_layers: 16,
    self_attn_every_n_layers: 2,
    expert_width_multiplier: 0.75,
    min_period: 4e-3,
    max_period: 4,
    ...changes,
  };
}

/** Sizes of that network: SmolVLM2-500M's first 16 layers and an expert three quarters as wide. */
export const SMOLVLA_FULL_SIZES: SmolVlaSizes = {
  vision: { width: 768, hidden: 3072, layers: 12, heads: 12, patch: 16, positions: 1024 },
  shuffle: 4,
  text: { width: 960, hidden: 2560, layers: 16, vocabulary: 49_280 },
  expert: { width: 720, hidden: 2048, layers: 16 },
  heads: 15,
  kvHeads: 5,
};

/** Steps of its preprocessor between batching and normalisation; the tokenizer's files are not ours to write. */
export const SMOLVLA_LANGUAGE_STEPS: readonly object[] = [
  { registry_name: 'smolvla_new_line_processor', config: {} },
  {
    registry_name: 'tokenizer_processor',
    config: {
      max_length: 48,
      task_key: 'task',
      padding_side: 'right',
      padding: 'longest',
      truncation: true,
      tokenizer_name: 'HuggingFaceTB/SmolVLM2-500M-Video-Instruct',
    },
    artifacts: { tokenizer_name: 'tokenizer' },
  },
];
