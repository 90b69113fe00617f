import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import type { CheckpointFolder } from './models/kind.ts';
import { MODEL_KINDS, modelKind } from './models/kinds.ts';
import { legacyPipelines } from './processors/legacy.ts';
import { Pipeline } from './processors/pipeline.ts';
import { readJson } from './read-json.ts';
import { openWeights } from './weight-files.ts';

const PREPROCESSOR = 'policy_preprocessor.json';
const POSTPROCESSOR = 'policy_postprocessor.json';

/** Where trainers put the policy inside the folder a person names. */
const INSIDE = ['', 'pretrained_model', join('checkpoints', 'last', 'pretrained_model')];

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
  const kind = modelKind(type);
  if (kind === undefined) {
    const known = MODEL_KINDS.map((each) => each.type).join(', ');
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: configFile,
      feature: `the policy type "${type}"`,
      advice: `Types that run here: ${known}. Others can be served by their own engine.`,
    });
  }
  const config = await readJson(configFile, kind.schema);
  const weights = await openWeights(folder);
  return { kind, folder, configFile, config, weights, legacy: !existsSync(join(folder, PREPROCESSOR)) };
}

/** The processors of a checkpoint: from their files, or from an old checkpoint's buffers. */
export async function openPipelines(
  checkpoint: CheckpointFolder,
): Promise<{ before: Pipeline; after: Pipeline }> {
  const { kind, folder, config, configFile, weights, legacy } = checkpoint;
  const { inputs, outputs, normalization } = kind.describe(config, configFile);
  if (legacy) {
    const features = new Map(Object.entries({ ...inputs, ...outputs }));
    const { before, after } = await legacyPipelines(
      weights,
      features,
      new Map(Object.entries(normalization)),
    );
    const steps = (await kind.legacySteps?.(checkpoint)) ?? [];
    return { before: new Pipeline([...steps, ...before.steps]), after };
  }
  return {
    before: await Pipeline.open(join(folder, PREPROCESSOR)),
    after: await Pipeline.open(join(folder, POSTPROCESSOR)),
  };
}
