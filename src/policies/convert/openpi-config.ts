import type { StridedEntry } from '../torch-file/torch-file.ts';

export type PiType = 'pi0' | 'pi05';

export interface OpenpiFacts {
  readonly type: PiType;
  /** Rows of a chunk. */
  readonly horizon: number;
  /** Lengths that states and actions are padded to. */
  readonly paddedState: number;
  readonly paddedActions: number;
  /** Side of the square picture the vision tower sees, pixels. */
  readonly side: number;
  readonly stateLength: number;
  readonly actionLength: number;
  readonly paligemmaVariant: string;
  readonly expertVariant: string;
  /** Names of the cameras in the order of the model's slots. */
  readonly cameras: readonly string[];
}

/** The model's slots, as openpi calls them; the published checkpoints keep these names in LeRobot too. */
export const OPENPI_CAMERAS = ['base_0_rgb', 'left_wrist_0_rgb', 'right_wrist_0_rgb'];

/** The model by its tensors: pi0 alone has a state token. Undefined for another model. */
export function piTypeOf(tensors: ReadonlyMap<string, StridedEntry>): PiType | undefined {
  if (![...tensors.keys()].some((name) => name.includes('paligemma_with_expert.'))) return undefined;
  return [...tensors.keys()].some((name) => name.endsWith('state_proj.weight')) ? 'pi0' : 'pi05';
}

export function piFeatures({ stateLength, actionLength, cameras, side }: OpenpiFacts) {
  const pictures = cameras.map((name) => [
    `observation.images.${name}`,
    { type: 'VISUAL', shape: [3, side, side] },
  ]);
  return {
    input_features: {
      ...Object.fromEntries(pictures),
      'observation.state': { type: 'STATE', shape: [stateLength] },
    },
    output_features: { action: { type: 'ACTION', shape: [actionLength] } },
  };
}

export const piNormalization = (type: PiType) => {
  const mode = type === 'pi0' ? 'MEAN_STD' : 'QUANTILES';
  return { VISUAL: 'IDENTITY', STATE: mode, ACTION: mode };
};

export const tokenLength = (type: PiType): number => (type === 'pi0' ? 48 : 200);

/** `config.json` as LeRobot writes it, with the numbers openpi's model was made with. */
export const piConfig = (facts: OpenpiFacts) => ({
  type: facts.type,
  n_obs_steps: 1,
  ...piFeatures(facts),
  device: 'cpu',
  use_amp: false,
  use_peft: false,
  paligemma_variant: facts.paligemmaVariant,
  action_expert_variant: facts.expertVariant,
  dtype: 'float32',
  chunk_size: facts.horizon,
  n_action_steps: facts.horizon,
  max_state_dim: facts.paddedState,
  max_action_dim: facts.paddedActions,
  num_inference_steps: 10,
  time_sampling_beta_alpha: 1.5,
  time_sampling_beta_beta: 1,
  time_sampling_scale: 0.999,
  time_sampling_offset: 0.001,
  min_period: 4e-3,
  max_period: 4,
  image_resolution: [facts.side, facts.side],
  empty_cameras: 0,
  tokenizer_max_length: tokenLength(facts.type),
  normalization_mapping: piNormalization(facts.type),
});
