import { type FileHandle, open } from 'node:fs/promises';
import { MyelinError } from '../../core/errors.ts';
import { TENSOR_BYTES } from '../safetensors.ts';
import { quantizeRows } from './blocks.ts';
import { blockBytes, blocksPerRow, type QuantizedFormat } from './format.ts';
import { type WeightType, widen } from './widen.ts';

/** A matrix or some rows of one: where they lie, and where their blocks go. Offsets in bytes. */
export interface QuantizeJob {
  readonly tensor: string;
  readonly source: string;
  readonly type: WeightType;
  readonly begin: number;
  readonly rows: number;
  readonly columns: number;
  readonly target: string;
  readonly valuesAt: number;
  readonly scalesAt: number;
  readonly format: QuantizedFormat;
}

/** Weights a job takes at most, but for matrices of longer rows: 16 MiB as float32. */
const JOB_WEIGHTS = 4 * 2 ** 20;

/** Splits a matrix by rows, so that no more than a few megabytes of it are in memory at once. */
export function jobsOf(matrix: QuantizeJob): QuantizeJob[] {
  const { rows, columns, type, format } = matrix;
  const blocks = blocksPerRow(columns, format);
  const step = Math.max(1, Math.floor(JOB_WEIGHTS / columns));
  const jobs: QuantizeJob[] = [];
  for (let first = 0; first < rows; first += step) {
    jobs.push({
      ...matrix,
      rows: Math.min(step, rows - first),
      begin: matrix.begin + first * columns * TENSOR_BYTES[type],
      valuesAt: matrix.valuesAt + first * blocks * blockBytes(format),
      scalesAt: matrix.scalesAt + first * blocks * Float32Array.BYTES_PER_ELEMENT,
    });
  }
  return jobs;
}

/** @throws MyelinError TENSOR_INVALID, CHECKPOINT_INVALID */
export async function runJob(job: QuantizeJob): Promise<void> {
  const { tensor, source, type, begin, rows, columns, target, valuesAt, scalesAt, format } = job;
  const bytes = await readAt(source, begin, rows * columns * TENSOR_BYTES[type]);
  const { values, scales } = quantize();
  const file = await open(target, 'r+');
  try {
    await writeAt(file, values, valuesAt);
    await writeAt(file, new Uint8Array(scales.buffer), scalesAt);
  } finally {
    await file.close();
  }

  function quantize() {
    try {
      return quantizeRows(widen(bytes, type), rows, columns, format);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new MyelinError('TENSOR_INVALID', { file: source, tensor, detail: cause.message }, { cause });
    }
  }
}

async function readAt(path: string, position: number, length: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(bytes, done, length - done, position + done);
      if (bytesRead === 0) {
        throw new MyelinError('CHECKPOINT_INVALID', {
          file: path,
          detail: `it ends at byte ${position + done}`,
        });
      }
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
