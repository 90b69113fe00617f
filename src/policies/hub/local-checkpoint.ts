import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { readJson } from '../read-json.ts';
import { checkpointFiles, tokenizerFiles } from './checkpoint-files.ts';
import { parseHubReference } from './hub-reference.ts';
import { type HubOptions, hubSnapshot, type WantedFiles } from './hub-snapshot.ts';

export interface LocalCheckpointOptions extends HubOptions {
  /** Default: what a policy consists of. */
  readonly files?: WantedFiles;
}

/**
 * The path of a checkpoint on this machine. What exists here is that path; else `user/name[@revision]` is looked up on
 * the Hub and downloaded when needed, with the tokenizer it names elsewhere; any other text is given back, for who
 * opens it to say what is wrong.
 *
 * @throws MyelinError as {@link hubSnapshot}
 */
export async function localCheckpoint(
  pathOrReference: string,
  options: LocalCheckpointOptions = {},
): Promise<string> {
  if (existsSync(pathOrReference)) return pathOrReference;
  const reference = parseHubReference(pathOrReference);
  if (reference === undefined) return pathOrReference;
  const folder = await hubSnapshot(reference, options.files ?? checkpointFiles, options);
  await fetchTokenizer(folder, options);
  return folder;
}

const PREPROCESSOR = 'policy_preprocessor.json';

const namesTokenizer = z.looseObject({
  steps: z.array(
    z.looseObject({
      registry_name: z.string().optional(),
      config: z.looseObject({ tokenizer_name: z.unknown().optional() }).optional(),
    }),
  ),
});

/** Older checkpoints hold no tokenizer and name the model they took it from. */
async function fetchTokenizer(folder: string, options: HubOptions): Promise<void> {
  const file = join(folder, PREPROCESSOR);
  const inside = ['tokenizer', '.'].some((place) => existsSync(join(folder, place, 'tokenizer.json')));
  if (inside || !existsSync(file)) return;
  const { steps } = await readJson(file, namesTokenizer);
  const name = steps.find((step) => step.registry_name === 'tokenizer_processor')?.config?.tokenizer_name;
  const reference = typeof name === 'string' ? parseHubReference(name) : undefined;
  if (reference === undefined) return;
  try {
    await hubSnapshot(reference, tokenizerFiles, options);
  } catch (error) {
    if (!(error instanceof MyelinError)) throw error;
    // Who opens the checkpoint looks in more places, and says what is missing if none has it.
    options.onNote?.(`its tokenizer was not fetched: ${error.message}`);
  }
}
