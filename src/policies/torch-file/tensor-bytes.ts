import { type FileHandle, open } from 'node:fs/promises';
import { MyelinError } from '../../core/errors.ts';
import { elementCount, TENSOR_BYTES } from '../safetensors.ts';
import type { StridedEntry } from './torch-file.ts';

const CHUNK_BYTES = 4 * 2 ** 20;

/**
 * A tensor's bytes in row-major order, a few MiB at a time; each piece holds whole elements. A tensor that lies in
 * another order is the one case that is read whole, to be put in order.
 *
 * @throws MyelinError TENSOR_INVALID when the file became shorter
 */
export async function* tensorBytes(tensor: StridedEntry): AsyncGenerator<Uint8Array> {
  const handle = await open(tensor.path);
  try {
    if (tensor.strides !== undefined) {
      yield inOrder(tensor, tensor.strides, await piece(handle, tensor, tensor.begin, tensor.end));
      return;
    }
    for (let at = tensor.begin; at < tensor.end; at += CHUNK_BYTES) {
      yield await piece(handle, tensor, at, Math.min(at + CHUNK_BYTES, tensor.end));
    }
  } finally {
    await handle.close();
  }
}

async function piece(handle: FileHandle, tensor: StridedEntry, begin: number, end: number) {
  const buffer = Buffer.alloc(end - begin);
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, begin + done);
    if (bytesRead === 0) {
      const detail = `the file ends at byte ${begin + done}, inside it`;
      throw new MyelinError('TENSOR_INVALID', { file: tensor.path, tensor: tensor.name, detail });
    }
    done += bytesRead;
  }
  return buffer;
}

/** Copies element by element; the last index runs fastest. */
function inOrder({ type, shape }: StridedEntry, strides: readonly number[], data: Uint8Array): Uint8Array {
  const size = TENSOR_BYTES[type];
  const result = new Uint8Array(elementCount(shape) * size);
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to += size) {
    for (let byte = 0; byte < size; byte++) result[to + byte] = data[from + byte] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = (strides[axis] as number) * size;
      from += stride;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      from -= stride * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return result;
}
