import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { CheckpointReport } from '../checkpoint.ts';
import { modelKind } from '../models/kinds.ts';
import { readJson } from '../read-json.ts';
import { writeSafetensors } from '../safetensors-writer.ts';
import type { StridedEntry } from '../torch-file/torch-file.ts';
import { openWeights } from '../weight-files.ts';
import { type ConvertOptions, writeCheckpoint } from './checkpoint-writer.ts';
import { listed } from './convert-state-dict.ts';
import { matchNames } from './match-names.ts';
import { OPENPI_CAMERAS, type OpenpiFacts, piConfig, piTypeOf } from './openpi-config.ts';
import { piProcessors, stateFiles } from './openpi-processors.ts';
import { readOpenpiStatistics } from './openpi-statistics.ts';
import { copyOf } from './write-weights.ts';

export interface OpenpiOptions extends ConvertOptions {
  /** Which statistics below `assets/`, when there are several: `trossen`, for instance. */
  readonly asset?: string | undefined;
  /** Rows of a chunk, for checkpoints whose config.json does not say. Default 50, or what config.json says. */
  readonly horizon?: number | undefined;
  /** Names of the cameras in the order of the model's slots. Default: openpi's names of the slots. */
  readonly cameras?: readonly string[] | undefined;
  /** Folder of the PaliGemma tokenizer to put inside. Default: looked for when the checkpoint is opened. */
  readonly tokenizer?: string | undefined;
}

/** What openpi's converter from JAX notes beside the weights; its trainer notes nothing. */
const notesSchema = z.looseObject({
  action_horizon: z.int().positive().max(10_000).optional(),
  paligemma_variant: z.string().optional(),
  action_expert_variant: z.string().optional(),
});

/**
 * Makes a LeRobot folder from a checkpoint of openpi's PyTorch code: `model.safetensors` and
 * `assets/<asset id>/norm_stats.json`. What a robot's transforms in openpi do besides (joint signs, delta actions) is
 * code and not in a checkpoint; it is not converted.
 *
 * @throws MyelinError CHECKPOINT_UNSUPPORTED, and as `readOpenpiStatistics`, `writeCheckpoint`
 */
export async function convertOpenpi(folder: string, options: OpenpiOptions): Promise<CheckpointReport> {
  const weights = await openWeights(folder);
  const tensors = currentNames(weights.tensors);
  const type = piTypeOf(tensors);
  const kind = type === undefined ? undefined : modelKind(type);
  const sizes = paddedSizes(tensors);
  if (type === undefined || kind === undefined || sizes === undefined) {
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: weights.path,
      feature: 'weights that are neither pi0 nor pi05',
      advice: 'This takes checkpoints of openpi with PyTorch weights. For others give --config.',
    });
  }
  const notesFile = join(folder, 'config.json');
  const notes = existsSync(notesFile) ? await readJson(notesFile, notesSchema) : {};
  const statistics = await readOpenpiStatistics(folder, options.asset, type === 'pi05');
  const facts: OpenpiFacts = {
    type,
    horizon: options.horizon ?? notes.action_horizon ?? 50,
    ...sizes,
    stateLength: statistics.stateLength,
    actionLength: statistics.actionLength,
    paligemmaVariant: notes.paligemma_variant ?? 'gemma_2b',
    expertVariant: notes.action_expert_variant ?? 'gemma_300m',
    cameras: options.cameras ?? OPENPI_CAMERAS,
  };
  options.onNote?.(`${type}, statistics from ${statistics.file}`);
  const config = piConfig(facts);
  const parsed = kind.schema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const detail = `${issue?.path.join('.')}: ${issue?.message}`;
    throw new MyelinError('CONFIG_INVALID', { file: notesFile, detail });
  }
  const matched = matchNames(tensors, kind, parsed.data, notesFile);
  if (matched.unused.length > 0) options.onNote?.(`left out: ${listed(matched.unused)}`);
  return writeCheckpoint(
    {
      config,
      tensors: [...matched.tensors].map(([name, entry]) => copyOf(name, entry, options.dtype)),
      files: piProcessors(facts),
      tokenizer: options.tokenizer,
      finish: async (made) => {
        const { before, after } = stateFiles(type);
        await writeSafetensors(join(made, before), statistics.tensors);
        await writeSafetensors(join(made, after), statistics.tensors);
      },
    },
    options,
  );
}

/** What the shapes of the weights say. */
function paddedSizes(
  tensors: ReadonlyMap<string, StridedEntry>,
): Pick<OpenpiFacts, 'paddedState' | 'paddedActions' | 'side'> | undefined {
  const extent = (ending: string, axis: number) =>
    [...tensors.values()].find(({ name }) => name.endsWith(ending))?.shape[axis];
  const paddedActions = extent('action_in_proj.weight', 1);
  const patch = extent('embeddings.patch_embedding.weight', 3);
  const patches = extent('embeddings.position_embedding.weight', 0);
  if (paddedActions === undefined || patch === undefined || patches === undefined) return undefined;
  const side = patch * Math.round(Math.sqrt(patches));
  return { paddedActions, paddedState: extent('state_proj.weight', 1) ?? paddedActions, side };
}

/** pi05 checkpoints of openpi's first PyTorch version call the time network after pi0's. */
function currentNames(tensors: ReadonlyMap<string, StridedEntry>): ReadonlyMap<string, StridedEntry> {
  if (piTypeOf(tensors) !== 'pi05') return tensors;
  return new Map(
    [...tensors].map(([name, entry]) => {
      const current = name.replace(/(^|\.)action_time_mlp_(in|out)\./, '$1time_mlp_$2.');
      return [current, { ...entry, name: current }] as const;
    }),
  );
}
