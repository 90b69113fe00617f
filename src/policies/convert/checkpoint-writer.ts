import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { type CheckpointReport, inspectCheckpoint } from '../checkpoint.ts';
import type { FloatType } from './floats.ts';
import { newFolder } from './new-folder.ts';
import { type MadeTensor, writeWeights } from './write-weights.ts';

export interface ConvertOptions {
  /** Folder to make. */
  readonly out: string;
  /** Type of the matrices. Default: as they are. */
  readonly dtype?: FloatType | undefined;
  /** Told in sentences what was found and left out. */
  readonly onNote?: (sentence: string) => void;
  /** Told the share of the weights that is written. */
  readonly onProgress?: (share: number) => void;
}

/** What a converted checkpoint consists of. */
export interface Conversion {
  /** `config.json`. */
  readonly config: object;
  readonly tensors: readonly MadeTensor[];
  /** More files: their names, and what is in them. */
  readonly files?: ReadonlyMap<string, string | Uint8Array>;
  /** Folder whose processors, their state and tokenizer are taken over. */
  readonly processorsOf?: string | undefined;
  /** Folder whose tokenizer is put inside. */
  readonly tokenizer?: string | undefined;
  /** Writes what cannot be held in memory or needs a place of its own. */
  readonly finish?: (folder: string) => Promise<void>;
}

const PROCESSORS = /^policy_(pre|post)processor(_\w+)?\.(json|safetensors)$/;
const TOKENIZER = /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/;

/**
 * Writes a LeRobot folder, checks that it holds every tensor its configuration asks for, and only then lets it appear.
 * @throws MyelinError INVALID_ARGUMENT, TENSOR_INVALID, CONFIG_INVALID, FILE_NOT_FOUND
 */
export async function writeCheckpoint(
  { config, tensors, files = new Map(), processorsOf, tokenizer, finish }: Conversion,
  { out, onProgress }: ConvertOptions,
): Promise<CheckpointReport> {
  let report: CheckpointReport | undefined;
  await newFolder(out, async (folder) => {
    await writeFile(join(folder, 'config.json'), `${JSON.stringify(config, undefined, 2)}\n`);
    for (const [name, contents] of files) await writeFile(join(folder, name), contents);
    if (processorsOf !== undefined) await copyProcessors(processorsOf, folder);
    if (tokenizer !== undefined) await copyTokenizer(tokenizer, join(folder, 'tokenizer'));
    await finish?.(folder);
    await writeWeights(join(folder, 'model.safetensors'), tensors, onProgress);
    report = await inspectCheckpoint(folder);
    refuseIncomplete(report, join(out, 'model.safetensors'));
  });
  return report as CheckpointReport;
}

async function copyProcessors(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (PROCESSORS.test(name) || TOKENIZER.test(name)) await copyFile(join(from, name), join(to, name));
  }
  const inside = join(from, 'tokenizer');
  if (existsSync(inside)) await copyTokenizer(inside, join(to, 'tokenizer'));
}

async function copyTokenizer(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch((cause: unknown) => {
    throw new MyelinError('FILE_NOT_FOUND', { file: from }, { cause });
  });
  if (!names.includes('tokenizer.json'))
    throw new MyelinError('FILE_NOT_FOUND', { file: join(from, 'tokenizer.json') });
  await mkdir(to);
  for (const name of names.filter((each) => TOKENIZER.test(each)))
    await copyFile(join(from, name), join(to, name));
}

function refuseIncomplete({ missing, misshapen }: CheckpointReport, file: string): void {
  const [absent] = missing;
  const more = missing.length + misshapen.length - 1;
  const others = more > 0 ? `, and ${more} others are missing or misshapen` : '';
  if (absent !== undefined) {
    const detail = `it is missing (expected [${absent.expected.join(', ')}])${others}`;
    throw new MyelinError('TENSOR_INVALID', { file, tensor: absent.tensor, detail });
  }
  const [wrong] = misshapen;
  if (wrong === undefined) return;
  const detail = `expected [${wrong.expected.join(', ')}], found [${wrong.found.join(', ')}]${others}`;
  throw new MyelinError('TENSOR_INVALID', { file, tensor: wrong.tensor, detail });
}
