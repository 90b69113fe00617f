import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import { type ActConfig, actConfigSchema, actInterface } from './models/act-config.ts';
import { legacyPipelines } from './processors/legacy.ts';
import { Pipeline } from './processors/pipeline.ts';
import { readJson } from './read-json.ts';
import { openSafetensors, type TensorFile } from './safetensors.ts';

const PREPROCESSOR = 'policy_preprocessor.json';
const POSTPROCESSOR = 'policy_postprocessor.json';

/** Where trainers put the policy inside the folder a person names. */
const INSIDE = ['', 'pretrained_model', join('checkpoints', 'last', 'pretrained_model')];

/** A LeRobot checkpoint that was read but not loaded. */
export interface CheckpointFolder {
  readonly folder: string;
  readonly configFile: string;
  readonly config: ActConfig;
  readonly weights: TensorFile;
  /** Whether its statistics lie in the model's file, as before processor files existed. */
  readonly legacy: boolean;
}

const anyPolicy = z.looseObject({ type: z.string() });

/**
 * Reads a LeRobot checkpoint folder's configuration and the header of its weights.
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID, CHECKPOINT_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID
 */
export async function readCheckpointFolder(path: string): Promise<CheckpointFolder> {
  const folder = INSIDE.map((inside) => resolve(path, inside)).find((candidate) =>
    existsSync(join(candidate, 'config.json')),
  );
  if (folder === undefined)
    throw new MyelinError('FILE_NOT_FOUND', { file: join(resolve(path), 'config.json') });
  const configFile = join(folder, 'config.json');
  const { type } = await readJson(configFile, anyPolicy);
  if (type !== 'act') {
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: configFile,
      feature: `the policy type "${type}"`,
      advice: 'Checkpoints of type "act" run here; others can be served by their own engine.',
    });
  }
  const config = await readJson(configFile, actConfigSchema);
  const weights = await openSafetensors(join(folder, 'model.safetensors'));
  return { folder, configFile, config, weights, legacy: !existsSync(join(folder, PREPROCESSOR)) };
}

/** The processors of a checkpoint: from their files, or from an old checkpoint's buffers. */
export async function openPipelines(
  checkpoint: CheckpointFolder,
): Promise<{ before: Pipeline; after: Pipeline }> {
  const { folder, config, configFile, weights, legacy } = checkpoint;
  actInterface(config, configFile);
  if (legacy) {
    const features = new Map(Object.entries({ ...config.input_features, ...config.output_features }));
    return legacyPipelines(weights, features, new Map(Object.entries(config.normalization_mapping)));
  }
  return {
    before: await Pipeline.open(join(folder, PREPROCESSOR)),
    after: await Pipeline.open(join(folder, POSTPROCESSOR)),
  };
}
