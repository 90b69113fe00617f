import type { z } from 'zod';
import type { Feature, NormMode } from '../features.ts';
import type { Model, ModelOptions } from '../model.ts';
import type { ProcessorStep } from '../processors/step.ts';
import type { TensorFile } from '../safetensors.ts';

/** Tensor names to shapes. */
export type TensorShapes = ReadonlyMap<string, readonly number[]>;

/** What shared code needs to know of a configuration. */
export interface ModelDescription {
  /** Features by LeRobot's names, in the order of the file. */
  readonly inputs: Readonly<Record<string, Feature>>;
  readonly outputs: Readonly<Record<string, Feature>>;
  /** Normalisation by feature type. */
  readonly normalization: Readonly<Record<string, NormMode>>;
  /** Rows the model answers. */
  readonly chunkRows: number;
  /** Rows meant to be executed before the next chunk. */
  readonly actionSteps: number;
  readonly temporalEnsembleCoefficient?: number | undefined;
}

/** A LeRobot checkpoint whose configuration and weights' header were read, and nothing else. */
export interface CheckpointFolder<Config = unknown> {
  readonly kind: ModelKind<Config>;
  readonly folder: string;
  readonly configFile: string;
  readonly config: Config;
  readonly weights: TensorFile;
  /** Whether its statistics lie in the model's file, as before processor files existed. */
  readonly legacy: boolean;
}

/** One type of model: how its configuration reads, what its weights are, how it runs. */
export interface ModelKind<Config = unknown> {
  /** `type` in config.json. */
  readonly type: string;
  /** Every number is read from config.json; none is assumed, as defaults changed over versions. */
  readonly schema: z.ZodType<Config>;
  /** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED */
  describe(config: Config, file: string): ModelDescription;
  /**
   * Tensors that acting takes.
   * @param found shapes in the weights' file, for models whose sizes no configuration names
   */
  tensors(config: Config, file: string, found: TensorShapes): TensorShapes;
  /** Matrices that activations are multiplied by, for `quantize`. Left out by models that gain nothing by it. */
  matrices?(config: Config, file: string, found: TensorShapes): TensorShapes;
  /** Tensors that only training takes. */
  trainingTensors(config: Config, file: string, found: TensorShapes): TensorShapes;
  /** What the model did itself before there were processor files, for old checkpoints: the words' steps. */
  legacySteps?(checkpoint: CheckpointFolder<Config>): Promise<readonly ProcessorStep[]>;
  /** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID, MODEL_FAILED */
  open(checkpoint: CheckpointFolder<Config>, options: ModelOptions): Promise<Model>;
}
