import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { CheckpointReport } from '../checkpoint.ts';
import { modelKind } from '../models/kinds.ts';
import { isLegacyBuffer } from '../processors/legacy.ts';
import { readJson } from '../read-json.ts';
import { openSafetensors } from '../safetensors.ts';
import { openStateDict } from '../torch-file/state-dict.ts';
import type { StridedEntry } from '../torch-file/torch-file.ts';
import { type ConvertOptions, writeCheckpoint } from './checkpoint-writer.ts';
import { matchNames } from './match-names.ts';
import { copyOf } from './write-weights.ts';

const anyConfig = z.looseObject({ type: z.string() });

export interface StateDictOptions extends ConvertOptions {
  /** LeRobot's `config.json`, or the folder it lies in together with the processors to take over. */
  readonly config: string;
}

/**
 * Makes a LeRobot folder from a state dict (`.pt`, `.pth`, `.bin`, `.ckpt`, or a bare `.safetensors`) and the
 * configuration it was trained with.
 *
 * @throws MyelinError as `openStateDict`, `writeCheckpoint`; CHECKPOINT_UNSUPPORTED for an unknown type
 */
export async function convertStateDict(file: string, options: StateDictOptions): Promise<CheckpointReport> {
  const folder = existsSync(options.config) && statSync(options.config).isDirectory();
  const configFile = folder ? join(options.config, 'config.json') : options.config;
  const config = await readJson(configFile, anyConfig);
  const kind = modelKind(config.type);
  if (kind === undefined) {
    const feature = `the policy type "${config.type}"`;
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: configFile,
      feature,
      advice: 'Only types that run here are converted.',
    });
  }
  const found = await sourceTensors(file, options);
  const { tensors, unused } = matchNames(found, kind, await readJson(configFile, kind.schema), configFile);
  if (unused.length > 0)
    options.onNote?.(`left out, as no ${config.type} policy uses them: ${listed(unused)}`);
  return writeCheckpoint(
    {
      config,
      tensors: [...tensors].map(([name, entry]) =>
        copyOf(name, entry, isLegacyBuffer(name) ? undefined : options.dtype),
      ),
      processorsOf: dirname(configFile),
    },
    options,
  );
}

async function sourceTensors(
  file: string,
  { onNote }: ConvertOptions,
): Promise<ReadonlyMap<string, StridedEntry>> {
  if (file.endsWith('.safetensors')) return (await openSafetensors(file)).tensors;
  const { tensors, inside, ignored } = await openStateDict(file);
  const where = inside.length === 0 ? '' : ` in "${inside.join('.')}"`;
  onNote?.(`${tensors.size} tensors found${where}`);
  if (ignored.length > 0) onNote?.(`left out, as they are not tensors: ${listed(ignored)}`);
  return tensors;
}

export const listed = (names: readonly string[], most = 8): string =>
  names.length <= most
    ? names.join(', ')
    : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
