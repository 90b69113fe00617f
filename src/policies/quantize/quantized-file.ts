import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { TensorShapes } from '../models/kind.ts';
import { openSafetensors, type QuantizedMatrix, type TensorEntry, type TensorFile } from '../safetensors.ts';
import { safetensorsHeader } from '../safetensors-writer.ts';
import { blockBytes, blocksPerRow, LEAST_QUANTIZED_SIDE, type QuantizedFormat } from './format.ts';
import { jobsOf, type QuantizeJob } from './jobs.ts';
import { isWeightType, type WeightType } from './widen.ts';

const values = (name: string) => `${name}.values`;
const scales = (name: string) => `${name}.scales`;

/** The matrices of a file worth quantising, of those that the model multiplies by. */
export function quantizable(file: TensorFile, matrices: TensorShapes): TensorEntry[] {
  return [...matrices].flatMap(([name, shape]) => {
    const tensor = file.tensors.get(name);
    if (tensor === undefined || !isWeightType(tensor.type)) return [];
    if (tensor.shape.join() !== shape.join() || shape.length !== 2) return [];
    return Math.min(...shape) < LEAST_QUANTIZED_SIDE ? [] : [tensor];
  });
}

export interface WriteQuantizedOptions {
  /** Kept in the header, to tell what the file was made of. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Does the work; calls `onDone` as each job ends. */
  readonly run: (jobs: readonly QuantizeJob[], onDone: (job: QuantizeJob) => void) => Promise<void>;
  /** Told the share that is done, 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/**
 * Writes the quantised form of matrices to a safetensors file, which appears under its name once it is whole.
 * Never holds more than a few megabytes of them.
 * @throws MyelinError TENSOR_INVALID, CHECKPOINT_INVALID; system errors of writing
 */
export async function writeQuantized(
  path: string,
  matrices: readonly TensorEntry[],
  format: QuantizedFormat,
  { metadata, run, onProgress }: WriteQuantizedOptions,
): Promise<void> {
  const { bytes, begins, end } = safetensorsHeader(
    matrices.flatMap(({ name, shape: [rows = 0, columns = 0] }) => {
      const blocks = blocksPerRow(columns, format);
      return [
        { name: values(name), type: 'U8' as const, shape: [rows, blocks, blockBytes(format)] },
        { name: scales(name), type: 'F32' as const, shape: [rows, blocks] },
      ];
    }),
    metadata,
  );
  await removeLeftovers(path);
  const partial = `${path}.${process.pid}.${written++}${PARTIAL}`;
  try {
    const file = await open(partial, 'wx');
    try {
      await file.writeFile(bytes);
      await file.truncate(end);
    } finally {
      await file.close();
    }
    const jobs = matrices.flatMap((matrix) => {
      const [rows = 0, columns = 0] = matrix.shape;
      return jobsOf({
        tensor: matrix.name,
        source: matrix.path,
        type: matrix.type as WeightType,
        begin: matrix.begin,
        rows,
        columns,
        target: partial,
        valuesAt: begins.get(values(matrix.name)) ?? 0,
        scalesAt: begins.get(scales(matrix.name)) ?? 0,
        format,
      });
    });
    const total = jobs.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    let done = 0;
    await run(jobs, ({ rows, columns }) => {
      done += rows * columns;
      onProgress?.(done / total);
    });
    await rename(partial, path);
  } catch (thrown) {
    await rm(partial, { force: true });
    throw thrown;
  }
}

const PARTIAL = '.partial';
/** Files this process has begun. */
let written = 0;

/** Removes what processes that died while writing this file left of it. */
async function removeLeftovers(path: string): Promise<void> {
  const start = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(start) || !name.endsWith(PARTIAL)) continue;
    const writer = Number.parseInt(name.slice(start.length), 10);
    if (writer > 0 && !isAlive(writer)) await rm(join(dirname(path), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * The matrices of a file that `writeQuantized` made of exactly these matrices with this metadata; undefined when
 * there is none, or it is another's, damaged or cut short.
 */
export async function readQuantized(
  path: string,
  matrices: readonly TensorEntry[],
  format: QuantizedFormat,
  metadata: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, QuantizedMatrix> | undefined> {
  let file: TensorFile;
  try {
    file = await openSafetensors(path);
  } catch {
    return undefined;
  }
  if (Object.entries(metadata).some(([key, value]) => file.metadata[key] !== value)) return undefined;
  const found = new Map<string, QuantizedMatrix>();
  for (const { name, shape } of matrices) {
    const [rows = 0, columns = 0] = shape;
    const blocks = blocksPerRow(columns, format);
    const integers = file.tensors.get(values(name));
    const factors = file.tensors.get(scales(name));
    if (integers?.type !== 'U8' || integers.shape.join() !== [rows, blocks, blockBytes(format)].join())
      return undefined;
    if (factors?.type !== 'F32' || factors.shape.join() !== [rows, blocks].join()) return undefined;
    found.set(name, { format, values: integers, scales: factors });
  }
  return found;
}
