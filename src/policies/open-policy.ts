import { answersMany, BatchingModel } from './batching.ts';
import { openPipelines, readCheckpointFolder } from './checkpoint-folder.ts';
import { CheckpointPolicy } from './checkpoint-policy.ts';
import { downloadOptions } from './hub/download-notes.ts';
import { localCheckpoint } from './hub/local-checkpoint.ts';
import { openOnnxFile } from './onnx-file.ts';
import type { OpenPolicyOptions } from './open-options.ts';
import { quantized } from './quantize/checkpoint.ts';

export type { OpenPolicyOptions };

/**
 * Opens a checkpoint: a LeRobot folder (or the training run around it), a plain `.onnx` file with its manifest, or a
 * model on the Hub as `user/name[@revision]`, which is downloaded when it is not in the cache.
 *
 * @throws MyelinError HUB_REFUSED, HUB_UNREACHABLE, DOWNLOAD_FAILED, FILE_NOT_FOUND, CONFIG_INVALID, CHECKPOINT_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID,
 *   MODEL_FAILED
 * @example
 * const policy = await openPolicy('./outputs/train/act_pick', { cameras: { front: 'external' } });
 * const chunk = await policy.infer(observation);
 * await policy.close();
 */
export async function openPolicy(
  pathOrReference: string,
  options: OpenPolicyOptions = {},
): Promise<CheckpointPolicy> {
  if (pathOrReference.endsWith('.onnx')) return openOnnxFile(pathOrReference, options);
  const path = await localCheckpoint(pathOrReference, downloadOptions(pathOrReference, options.onNote));
  const checkpoint = await readCheckpointFolder(path);
  const { kind, config, configFile, folder } = checkpoint;
  const { actionSteps, temporalEnsembleCoefficient } = kind.describe(config, configFile);
  const pipelines = await openPipelines(checkpoint);
  const model = await kind.open(
    options.quantize === undefined ? checkpoint : await quantized(checkpoint, options.quantize, options),
    options,
  );
  return new CheckpointPolicy({
    name: `${kind.type} ${folder}`,
    model:
      options.batching !== undefined && answersMany(model)
        ? new BatchingModel(model, options.batching)
        : model,
    ...pipelines,
    actionSteps,
    temporalEnsembleCoefficient,
    stepPeriodS: options.stepPeriodS,
    stateNames: options.stateNames,
    actionNames: options.actionNames,
    cameras: options.cameras,
    subtaskTemplate: options.subtaskTemplate,
  });
}
