import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { CheckpointReport } from '../checkpoint.ts';
import { readCheckpointFolder } from '../checkpoint-folder.ts';
import { downloadOptions } from '../hub/download-notes.ts';
import { localCheckpoint } from '../hub/local-checkpoint.ts';
import { readJson } from '../read-json.ts';
import type { TensorEntry } from '../safetensors.ts';
import { type ConvertOptions, writeCheckpoint } from './checkpoint-writer.ts';
import { type FloatType, isFloat, narrow } from './floats.ts';
import { type LoraAdapter, type LowRankChange, mergedMatrix, openLoraAdapter } from './lora-adapter.ts';
import { copyOf, type MadeTensor, targetType } from './write-weights.ts';

export interface LoraOptions extends ConvertOptions {
  /** Path or Hub id of the checkpoint the adapter was trained on. Default: the one it names. */
  readonly base?: string | undefined;
}

const anyConfig = z.looseObject({ type: z.string() });

/**
 * Merges a PEFT LoRA adapter into its base: W + (alpha / rank) B A, or alpha / sqrt(rank) with `use_rslora`
 * (Hu et al. 2021, arXiv:2106.09685; Kalajdzievski 2023, arXiv:2312.03732). Processors come from the adapter's folder
 * where it has some, as its statistics are those it was trained with.
 *
 * @throws MyelinError CHECKPOINT_UNSUPPORTED, TENSOR_INVALID, and as `readCheckpointFolder`, `writeCheckpoint`
 */
export async function convertLora(folder: string, options: LoraOptions): Promise<CheckpointReport> {
  const adapter = await openLoraAdapter(folder);
  const named = options.base ?? adapter.config.base;
  if (named === undefined) {
    const allowed = 'given: the adapter does not name the checkpoint it was trained on';
    throw new MyelinError('INVALID_ARGUMENT', { name: '--base', value: 'missing', allowed });
  }
  const base = await readCheckpointFolder(
    await localCheckpoint(named, downloadOptions(named, options.onNote)),
  );
  const tensors = mergedTensors(adapter, base.weights.tensors, base.weights.path, options.dtype);
  options.onNote?.(`${adapter.changes.size} matrices changed, ${adapter.replaced.size} tensors replaced`);
  const own = existsSync(join(folder, 'policy_preprocessor.json'));
  const ownConfig = join(folder, 'config.json');
  const config = await readJson(existsSync(ownConfig) ? ownConfig : base.configFile, anyConfig);
  return writeCheckpoint(
    { config: { ...config, use_peft: false }, tensors, processorsOf: own ? folder : base.folder },
    options,
  );
}

function mergedTensors(
  { config, changes, replaced }: LoraAdapter,
  base: ReadonlyMap<string, TensorEntry>,
  file: string,
  dtype: FloatType | undefined,
): MadeTensor[] {
  for (const name of [...changes.keys(), ...replaced.keys()]) {
    if (base.has(name)) continue;
    const detail = 'the adapter changes it, but it is not there';
    throw new MyelinError('TENSOR_INVALID', { file, tensor: name, detail });
  }
  return [...base].map(([name, entry]) => {
    const change = changes.get(name);
    if (change !== undefined) return merged(name, entry, change, config.transposed, dtype);
    return copyOf(name, replaced.get(name) ?? entry, dtype);
  });
}

function merged(
  name: string,
  entry: TensorEntry,
  change: LowRankChange,
  transposed: boolean,
  dtype: FloatType | undefined,
): MadeTensor {
  if (!isFloat(entry.type)) {
    const detail = `${entry.type} is not a floating-point type`;
    throw new MyelinError('TENSOR_INVALID', { file: entry.path, tensor: name, detail });
  }
  const type = targetType(entry, dtype) as FloatType;
  return {
    name,
    shape: entry.shape,
    type,
    bytes: async function* () {
      yield narrow(await mergedMatrix(entry, change, transposed), type);
    },
  };
}
