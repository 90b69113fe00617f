import { sevenAxes } from './full-size.ts';
import type { Pi05Config } from './pi-config.ts';

/** A pi05 configuration as LeRobot's trainer writes it, at its full size (3.35 G weights), for a 7-axis arm. */
export function pi05Config(changes: Partial<Pi05Config> = {}): Pi05Config {
  return {
    type: 'pi05',
    n_obs_steps: 1,
    ...sevenAxes(),
    normalization_mapping: { VISUAL: 'IDENTITY', STATE: 'QUANTILES', ACTION: 'QUANTILES' },
    paligemma_variant: 'gemma_2b',
    action_expert_variant: 'gemma_300m',
    dtype: 'bfloat16',
    chunk_size: 50,
    n_action_steps: 50,
    max_state_dim: 32,
    max_action_dim: 32,
    num_inference_steps: 10,
    min_period: 4e-3,
    max_period: 4,
    use_visual_memory: false,
    use_proprioceptive_memory: false,
    rtc_training_max_delay: 0,
    image_resolution: [224, 224],
    empty_cameras: 0,
    tokenizer_max_length: 200,
    ...changes,
  };
}
