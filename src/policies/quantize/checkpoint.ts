import { MyelinError } from '../../core/errors.ts';
import type { ModelOptions } from '../model.ts';
import type { CheckpointFolder } from '../models/kind.ts';
import { threadsHere } from '../onnx/threads.ts';
import { quantizedMatrices } from './cache.ts';
import type { QuantizedName } from './format.ts';
import { runOnThreads } from './worker-pool.ts';

/** Progress is told at each of these shares. */
const PROGRESS_STEP = 0.25;

/**
 * The checkpoint with its large matrices in whole numbers as well; made once, then read from a file beside it.
 * @throws MyelinError CHECKPOINT_UNSUPPORTED, TENSOR_INVALID, CHECKPOINT_INVALID, FILE_UNWRITABLE
 */
export async function quantized(
  checkpoint: CheckpointFolder,
  format: QuantizedName,
  { threads, niceness = 5, onNote }: Pick<ModelOptions, 'threads' | 'niceness' | 'onNote'>,
): Promise<CheckpointFolder> {
  const { kind, config, configFile, folder, weights } = checkpoint;
  const shapes = new Map([...weights.tensors].map(([name, { shape }]) => [name, shape]));
  const matrices = kind.matrices?.(config, configFile, shapes);
  if (matrices === undefined) {
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: configFile,
      feature: `--quantize ${format}`,
      advice: `A policy of the type "${kind.type}" gains nothing by it. Leave the option out.`,
    });
  }
  let told = 0;
  const found = await quantizedMatrices(weights, matrices, {
    folder,
    format,
    onNote,
    onProgress: (share) => {
      if (share < told + PROGRESS_STEP || share >= 1) return;
      told = share;
      onNote?.(`quantising: ${Math.round(100 * share)} %`);
    },
    run: (jobs, onDone) => runOnThreads(jobs, onDone, { threads: threadsHere(threads).threads, niceness }),
  });
  return { ...checkpoint, weights: { ...weights, quantized: found } };
}
