import { openPipelines, readCheckpointFolder } from './checkpoint-folder.ts';
import { CheckpointPolicy } from './checkpoint-policy.ts';
import { ActModel } from './models/act-model.ts';
import { openOnnxFile } from './onnx-file.ts';
import type { OpenPolicyOptions } from './open-options.ts';

export type { OpenPolicyOptions };

/**
 * Opens a checkpoint: a LeRobot folder (or the training run around it), or a plain `.onnx` file with its manifest.
 *
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID, CHECKPOINT_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID,
 *   MODEL_FAILED
 * @example
 * const policy = await openPolicy('./outputs/train/act_pick', { cameras: { front: 'external' } });
 * const chunk = await policy.infer(observation);
 * await policy.close();
 */
export async function openPolicy(path: string, options: OpenPolicyOptions = {}): Promise<CheckpointPolicy> {
  if (path.endsWith('.onnx')) return openOnnxFile(path, options);
  const checkpoint = await readCheckpointFolder(path);
  const { config, configFile, weights } = checkpoint;
  const pipelines = await openPipelines(checkpoint);
  const model = await ActModel.open(config, configFile, weights, options);
  return new CheckpointPolicy({
    name: `act ${checkpoint.folder}`,
    model,
    ...pipelines,
    actionSteps: config.n_action_steps,
    temporalEnsembleCoefficient: config.temporal_ensemble_coeff ?? undefined,
    stepPeriodS: options.stepPeriodS,
    stateNames: options.stateNames,
    actionNames: options.actionNames,
    cameras: options.cameras,
  });
}
