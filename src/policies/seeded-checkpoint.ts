import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ACTION, type Feature, STATE } from './features.ts';
import { actBackbone, actTrainingTensors, actTransformer } from './models/act.ts';
import { type ActConfig, actInterface } from './models/act-config.ts';
import { TensorInventory } from './onnx/weights.ts';
import { type TensorToWrite, writeSafetensors } from './safetensors-writer.ts';
import { seededTensor } from './seeded-tensor.ts';

/** Tensors an ACT network runs on, with their shapes. */
export function actTensors(config: ActConfig, file = 'config.json'): Map<string, readonly number[]> {
  const ports = actInterface(config, file);
  const inventory = new TensorInventory();
  if (ports.cameras.length > 0) actBackbone(config, ports.cameras, inventory);
  actTransformer(config, ports, inventory);
  return inventory.shapes;
}

/** An ACT configuration as LeRobot's trainer writes it, at its full size (52 M weights), for a 7-axis arm. */
export function actConfig(changes: Partial<ActConfig> = {}): ActConfig {
  const picture: Feature = { type: 'VISUAL', shape: [3, 480, 640] };
  return {
    type: 'act',
    n_obs_steps: 1,
    input_features: {
      [STATE]: { type: 'STATE', shape: [7] },
      'observation.images.external': picture,
      'observation.images.wrist': picture,
    },
    output_features: { [ACTION]: { type: 'ACTION', shape: [7] } },
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

/** Statistics by feature and name; written beside the model for its processors. */
export type Statistics = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;

/**
 * Writes a LeRobot ACT folder whose weights come from a seed: for demonstrations, tests and benchmarks, where the
 * network's size and form matter and its skill does not.
 *
 * @param statistics default: ImageNet's for pictures, mean 0 and deviation 0.1 for state and action
 */
export async function createSeededCheckpoint(
  folder: string,
  config: ActConfig,
  seed: number,
  statistics: Statistics = plainStatistics(config),
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config, undefined, 2));
  await writeSeededWeights(join(folder, 'model.safetensors'), config, seed);
  await writeProcessors(folder, config, statistics);
}

/** The weights alone, the training-only encoder's included, so that the trainer's own loader takes them too. */
export async function writeSeededWeights(
  file: string,
  config: ActConfig,
  seed: number,
  extra: readonly TensorToWrite[] = [],
): Promise<void> {
  const shapes = new Map([...actTensors(config), ...actTrainingTensors(config, actInterface(config, file))]);
  const tensors = [...shapes].map(([name, shape]) => ({
    name,
    shape,
    values: () => seededTensor(seed, name, shape),
  }));
  await writeSafetensors(file, [...tensors, ...extra]);
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

function plainStatistics(config: ActConfig): Statistics {
  const features = Object.entries({ ...config.input_features, ...config.output_features });
  return Object.fromEntries(
    features.map(([name, { type, shape }]) => {
      const all = (value: number) => Array<number>(shape[0] ?? 1).fill(value);
      return [
        name,
        type === 'VISUAL' ? IMAGENET : { mean: all(0), std: all(0.1), min: all(-1), max: all(1) },
      ];
    }),
  );
}

async function writeProcessors(folder: string, config: ActConfig, statistics: Statistics): Promise<void> {
  const stateFile = 'policy_preprocessor_step_3_normalizer_processor.safetensors';
  const tensors = Object.entries(statistics).flatMap(([feature, byName]) =>
    Object.entries(byName).map(([name, values]) => ({
      name: `${feature}.${name}`,
      shape: feature.includes('image') ? [values.length, 1, 1] : [values.length],
      values: () => Float32Array.from(values),
    })),
  );
  await writeSafetensors(join(folder, stateFile), tensors);
  const { input_features: inputs, output_features: outputs, normalization_mapping: norm_map } = config;
  const step = (registry_name: string, settings: object = {}) => ({ registry_name, config: settings });
  const scaling = (registry_name: string, features: object) => ({
    ...step(registry_name, { eps: 1e-8, features, norm_map }),
    state_file: stateFile,
  });
  const write = (name: string, steps: readonly object[]) =>
    writeFile(join(folder, `${name}.json`), JSON.stringify({ name, steps }, undefined, 2));
  const device = step('device_processor', { device: 'cpu', float_dtype: null });
  await write('policy_preprocessor', [
    step('rename_observations_processor', { rename_map: {} }),
    step('to_batch_processor'),
    device,
    scaling('normalizer_processor', { ...inputs, ...outputs }),
  ]);
  await write('policy_postprocessor', [scaling('unnormalizer_processor', outputs), device]);
}
