import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import { readJson } from './read-json.ts';
import { openSafetensors, type TensorEntry, type TensorFile } from './safetensors.ts';

export const WEIGHTS = 'model.safetensors';
export const WEIGHTS_INDEX = 'model.safetensors.index.json';

const MAX_SHARDS = 1000;

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/**
 * The weights of a checkpoint: `model.safetensors`, or the files that `model.safetensors.index.json` names. Names that
 * training tied to another tensor, and that the file therefore holds only a note of, are there too.
 *
 * @throws MyelinError FILE_NOT_FOUND, CHECKPOINT_UNSUPPORTED, CONFIG_INVALID, CHECKPOINT_INVALID, TENSOR_INVALID
 */
export async function openWeights(folder: string): Promise<TensorFile> {
  const single = join(folder, WEIGHTS);
  const index = join(folder, WEIGHTS_INDEX);
  if (existsSync(single)) return unwrapped(withTied(await openSafetensors(single)));
  if (existsSync(index)) return unwrapped(await openShards(folder, index));
  const [convertible] = CONVERTIBLE.filter(({ file }) => existsSync(join(folder, file)));
  if (convertible === undefined) throw new MyelinError('FILE_NOT_FOUND', { file: single });
  const { file, feature, command } = convertible;
  const advice = `Convert it once: myelin checkpoint convert ${command}`;
  throw new MyelinError('CHECKPOINT_UNSUPPORTED', { file: join(folder, file), feature, advice });
}

/** What folders hold in place of weights, and what to do then. */
const CONVERTIBLE = [
  {
    file: 'adapter_config.json',
    feature: 'a LoRA adapter on top of another checkpoint',
    command: 'FOLDER -o MERGED',
  },
  {
    file: 'pytorch_model.bin',
    feature: 'weights in a pickle',
    command: 'FOLDER --config FOLDER -o CONVERTED',
  },
];

/** safetensors' `save_model` keeps one of several tensors that share memory, and notes `left out: kept` of the others. */
function withTied(file: TensorFile): TensorFile {
  const tied = Object.entries(file.metadata).flatMap(([name, kept]): [string, TensorEntry][] => {
    const entry = file.tensors.get(kept);
    return entry === undefined || file.tensors.has(name) ? [] : [[name, { ...entry, name }]];
  });
  return tied.length === 0 ? file : { ...file, tensors: new Map([...file.tensors, ...tied]) };
}

/** A level that `torch.compile` puts into the names of what it wraps. */
const COMPILED = /(?<=^|\.)_orig_mod\./g;

/** Names without that level, but for those that another tensor has. */
function unwrapped(file: TensorFile): TensorFile {
  const tensors = new Map<string, TensorEntry>();
  for (const [wrapped, entry] of file.tensors) {
    const plain = wrapped.replace(COMPILED, '');
    const name = plain !== wrapped && (file.tensors.has(plain) || tensors.has(plain)) ? wrapped : plain;
    tensors.set(name, name === entry.name ? entry : { ...entry, name });
  }
  return { ...file, tensors };
}

async function openShards(folder: string, index: string): Promise<TensorFile> {
  const { weight_map: places } = await readJson(index, indexSchema);
  const invalid = (detail: string) => new MyelinError('CHECKPOINT_INVALID', { file: index, detail });
  const names = [...new Set(Object.values(places))].sort();
  if (names.length === 0 || names.length > MAX_SHARDS) throw invalid(`it names ${names.length} files`);
  const strange = names.find((name) => !/^[\w.-]+\.safetensors$/.test(name));
  if (strange !== undefined) throw invalid(`"${strange}" is not the name of a safetensors file beside it`);
  const shards = new Map<string, TensorFile>();
  for (const name of names) shards.set(name, withTied(await openSafetensors(join(folder, name))));
  const tensors = new Map<string, TensorEntry>();
  for (const [tensor, name] of Object.entries(places)) {
    const entry = shards.get(name)?.tensors.get(tensor);
    if (entry === undefined) throw invalid(`${name} does not hold "${tensor}"`);
    tensors.set(tensor, entry);
  }
  for (const shard of shards.values()) {
    const unnamed = [...shard.tensors.keys()].find((tensor) => !tensors.has(tensor));
    if (unnamed !== undefined) throw invalid(`it does not name "${unnamed}" of ${shard.path}`);
  }
  const path = await realpath(index);
  // The model runtime reads weights from below one folder.
  const elsewhere = [...shards.values()].find((shard) => dirname(shard.path) !== dirname(path));
  if (elsewhere !== undefined) throw invalid(`${elsewhere.path} lies in another folder than ${path}`);
  return { path, tensors, metadata: {} };
}
