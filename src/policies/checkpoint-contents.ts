import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpointFolder } from './checkpoint-folder.ts';
import { isLegacyBuffer } from './processors/legacy.ts';
import {
  elementCount,
  openSafetensors,
  readTensor,
  type TensorEntry,
  type TensorType,
} from './safetensors.ts';

export interface TypeTotal {
  readonly type: TensorType;
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
}

export interface StatisticSummary {
  /** `observation.state.mean`, for instance. */
  readonly name: string;
  readonly count: number;
  readonly least: number;
  readonly most: number;
}

/** What lies in a checkpoint's files. */
export interface CheckpointContents {
  /** Files that hold the weights. */
  readonly files: readonly string[];
  readonly types: readonly TypeTotal[];
  readonly statistics: readonly StatisticSummary[];
  /** Tensors that share their place with another. */
  readonly tied: readonly string[];
}

const STATE_FILE = /^policy_preprocessor_step_\d+_\w+\.safetensors$/;

/** @throws MyelinError as `readCheckpointFolder` */
export async function checkpointContents(path: string): Promise<CheckpointContents> {
  const { folder, weights } = await readCheckpointFolder(path);
  const places = new Map<string, TensorEntry>();
  const tied: string[] = [];
  for (const entry of weights.tensors.values()) {
    const place = `${entry.path}:${entry.begin}`;
    if (places.has(place) && entry.end > entry.begin) tied.push(entry.name);
    else places.set(entry.end > entry.begin ? place : entry.name, entry);
  }
  const entries = [...places.values()];
  const types = [...new Set(entries.map(({ type }) => type))].map((type) => {
    const own = entries.filter((entry) => entry.type === type);
    return {
      type,
      tensors: own.length,
      elements: own.reduce((sum, { shape }) => sum + elementCount(shape), 0),
      bytes: own.reduce((sum, { begin, end }) => sum + end - begin, 0),
    };
  });
  const files = [...new Set(entries.map((entry) => entry.path))];
  const buffers = [...weights.tensors.values()].filter(({ name }) => isLegacyBuffer(name));
  return { files, types, tied, statistics: await summaries([...(await stateTensors(folder)), ...buffers]) };
}

async function stateTensors(folder: string): Promise<TensorEntry[]> {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => STATE_FILE.test(name)) : [];
  const files = await Promise.all(names.map((name) => openSafetensors(join(folder, name))));
  return files.flatMap(({ tensors }) => [...tensors.values()]);
}

const FLOATS: readonly TensorType[] = ['F64', 'F32', 'F16', 'BF16'];

async function summaries(tensors: readonly TensorEntry[]): Promise<StatisticSummary[]> {
  const found: StatisticSummary[] = [];
  for (const tensor of tensors.filter(({ type }) => FLOATS.includes(type))) {
    const values = await readTensor(tensor);
    const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    found.push({ name: tensor.name, count: values.length, least, most });
  }
  return found;
}
