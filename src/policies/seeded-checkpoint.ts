import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../core/errors.ts';
import type { ModelDescription, TensorShapes } from './models/kind.ts';
import { modelKind } from './models/kinds.ts';
import { type StorageType, type TensorToWrite, writeSafetensors } from './safetensors-writer.ts';
import { seededTensor } from './seeded-tensor.ts';

/** Statistics by feature and name; written beside the model for its processors. */
export type Statistics = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;

/** A configuration as config.json holds it: `type` says of which model. */
export interface SeededConfig {
  readonly type: string;
}

export interface SeededWeightsOptions {
  /** Tensors to write. Default: what acting and training take, as the configuration says. */
  readonly shapes?: TensorShapes;
  /** How weights are stored. Default F32. */
  readonly storage?: StorageType;
  /** Written after them, as they are. */
  readonly extra?: readonly TensorToWrite[];
}

export interface SeededCheckpointOptions extends SeededWeightsOptions {
  /** Default: ImageNet's for pictures, mean 0 and deviation 0.1 for the rest. */
  readonly statistics?: Statistics;
  /** Steps of the preprocessor's JSON between batching and normalisation. */
  readonly steps?: readonly object[];
}

/**
 * Writes a LeRobot folder whose weights come from a seed: for demonstrations, tests and benchmarks, where the
 * network's size and form matter and its skill does not.
 */
export async function createSeededCheckpoint(
  folder: string,
  config: SeededConfig,
  seed: number,
  options: SeededCheckpointOptions = {},
): Promise<void> {
  const { description } = readSeeded(config);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config, undefined, 2));
  await writeSeededWeights(join(folder, 'model.safetensors'), config, seed, options);
  const statistics = options.statistics ?? plainStatistics(description);
  await writeProcessors(folder, description, statistics, options.steps ?? []);
}

/** The weights alone, the training-only ones included, so that the trainer's own loader takes them too. */
export async function writeSeededWeights(
  file: string,
  config: SeededConfig,
  seed: number,
  options: SeededWeightsOptions = {},
): Promise<void> {
  const { shapes = readSeeded(config).shapes(), storage = 'F32', extra = [] } = options;
  const tensors = [...shapes].map(([name, shape]) => ({
    name,
    shape,
    type: storage,
    values: () => seededTensor(seed, name, shape),
  }));
  await writeSafetensors(file, [...tensors, ...extra]);
}

/** The configuration through the eyes of its kind. */
function readSeeded(value: SeededConfig): { description: ModelDescription; shapes: () => TensorShapes } {
  const file = 'config.json';
  const kind = modelKind(value.type);
  if (kind === undefined)
    throw new MyelinError('CONFIG_INVALID', { file, detail: `type: ${value.type} is not known` });
  const config = kind.schema.parse(value);
  const none = new Map<string, readonly number[]>();
  return {
    description: kind.describe(config, file),
    shapes: () => new Map([...kind.tensors(config, file, none), ...kind.trainingTensors(config, file, none)]),
  };
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

function plainStatistics({ inputs, outputs }: ModelDescription): Statistics {
  const features = Object.entries({ ...inputs, ...outputs });
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

async function writeProcessors(
  folder: string,
  { inputs, outputs, normalization: norm_map }: ModelDescription,
  statistics: Statistics,
  steps: readonly object[],
): Promise<void> {
  const stateFile = `policy_preprocessor_step_${3 + steps.length}_normalizer_processor.safetensors`;
  const tensors = Object.entries(statistics).flatMap(([feature, byName]) =>
    Object.entries(byName).map(([name, values]) => ({
      name: `${feature}.${name}`,
      shape: feature.includes('image') ? [values.length, 1, 1] : [values.length],
      values: () => Float32Array.from(values),
    })),
  );
  await writeSafetensors(join(folder, stateFile), tensors);
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
    ...steps,
    device,
    scaling('normalizer_processor', { ...inputs, ...outputs }),
  ]);
  await write('policy_postprocessor', [scaling('unnormalizer_processor', outputs), device]);
}
