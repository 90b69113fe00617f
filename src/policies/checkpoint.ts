import { readCheckpointFolder } from './checkpoint-folder.ts';
import type { Feature } from './features.ts';
import { isLegacyBuffer } from './processors/legacy.ts';
import { elementCount } from './safetensors.ts';

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
  const { kind, folder, config, configFile, weights, legacy } = await readCheckpointFolder(path);
  const description = kind.describe(config, configFile);
  const found = weights.tensors;
  const shapes = new Map([...found].map(([name, { shape }]) => [name, shape]));
  const needed = kind.tensors(config, configFile, shapes);
  const training = kind.trainingTensors(config, configFile, shapes);
  const absent = [...needed].filter(([name]) => !found.has(name));
  const misshapen = [...needed].flatMap(([tensor, expected]) => {
    const shape = found.get(tensor)?.shape;
    return shape === undefined || shape.join() === expected.join()
      ? []
      : [{ tensor, expected, found: shape }];
  });
  const sum = (shapes: Iterable<readonly number[]>) =>
    [...shapes].reduce((total, shape) => total + elementCount(shape), 0);
  const describe = (features: Readonly<Record<string, Feature>>): FeatureReport[] =>
    Object.entries(features).map(([name, { type, shape }]) => ({
      name,
      type,
      shape,
      normalization: description.normalization[type] ?? 'IDENTITY',
    }));
  return {
    type: kind.type,
    folder,
    legacy,
    inputs: describe(description.inputs),
    outputs: describe(description.outputs),
    chunkRows: description.chunkRows,
    actionSteps: description.actionSteps,
    temporalEnsembleCoefficient: description.temporalEnsembleCoefficient,
    weights: sum(needed.values()),
    trainingWeights: sum(training.values()),
    missing: absent.map(([tensor, expected]) => ({ tensor, expected })),
    misshapen,
    unknown: [...found.keys()].filter(
      (name) => !needed.has(name) && !training.has(name) && !isLegacyBuffer(name),
    ),
  };
}
