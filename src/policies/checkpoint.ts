import { readCheckpointFolder } from './checkpoint-folder.ts';
import { actTrainingTensors } from './models/act.ts';
import { actInterface } from './models/act-config.ts';
import { isLegacyBuffer } from './processors/legacy.ts';
import { elementCount } from './safetensors.ts';
import { actTensors } from './seeded-checkpoint.ts';

export interface FeatureReport {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly normalization: string;
}

/** What a checkpoint is, found without loading it. */
export interface CheckpointReport {
  readonly type: string;
  readonly folder: string;
  /** Statistics inside the model's file, as before processor files existed. */
  readonly legacy: boolean;
  readonly inputs: readonly FeatureReport[];
  readonly outputs: readonly FeatureReport[];
  readonly chunkRows: number;
  readonly actionSteps: number;
  readonly temporalEnsembleCoefficient: number | undefined;
  /** Weights that acting takes, and those that only training takes. */
  readonly weights: number;
  readonly trainingWeights: number;
  /** Tensors that acting needs and the file lacks. */
  readonly missing: readonly { readonly tensor: string; readonly expected: readonly number[] }[];
  readonly misshapen: readonly {
    readonly tensor: string;
    readonly expected: readonly number[];
    readonly found: readonly number[];
  }[];
  /** Tensors in the file that nothing is known to use. */
  readonly unknown: readonly string[];
}

/**
 * Looks a LeRobot checkpoint over: what it takes and gives, and every tensor that is missing, misshapen or unknown.
 * @throws MyelinError when its configuration or the header of its weights cannot be read
 */
export async function inspectCheckpoint(path: string): Promise<CheckpointReport> {
  const { folder, config, configFile, weights, legacy } = await readCheckpointFolder(path);
  const needed = actTensors(config, configFile);
  const training = actTrainingTensors(config, actInterface(config, configFile));
  const found = weights.tensors;
  const absent = [...needed].filter(([name]) => !found.has(name));
  const misshapen = [...needed].flatMap(([tensor, expected]) => {
    const shape = found.get(tensor)?.shape;
    return shape === undefined || shape.join() === expected.join()
      ? []
      : [{ tensor, expected, found: shape }];
  });
  const sum = (shapes: Iterable<readonly number[]>) =>
    [...shapes].reduce((total, shape) => total + elementCount(shape), 0);
  const describe = (features: typeof config.input_features): FeatureReport[] =>
    Object.entries(features).map(([name, { type, shape }]) => ({
      name,
      type,
      shape,
      normalization: config.normalization_mapping[type] ?? 'IDENTITY',
    }));
  return {
    type: config.type,
    folder,
    legacy,
    inputs: describe(config.input_features),
    outputs: describe(config.output_features),
    chunkRows: config.chunk_size,
    actionSteps: config.n_action_steps,
    temporalEnsembleCoefficient: config.temporal_ensemble_coeff ?? undefined,
    weights: sum(needed.values()),
    trainingWeights: sum(training.values()),
    missing: absent.map(([tensor, expected]) => ({ tensor, expected })),
    misshapen,
    unknown: [...found.keys()].filter(
      (name) => !needed.has(name) && !training.has(name) && !isLegacyBuffer(name),
    ),
  };
}
