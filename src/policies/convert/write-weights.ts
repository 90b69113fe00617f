import { open } from 'node:fs/promises';
import type { TensorType } from '../safetensors.ts';
import { safetensorsHeader } from '../safetensors-writer.ts';
import { tensorBytes } from '../torch-file/tensor-bytes.ts';
import type { StridedEntry } from '../torch-file/torch-file.ts';
import { castBytes, type FloatType, isFloat } from './floats.ts';

/** A tensor about to be written, made when its turn comes. */
export interface MadeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: TensorType;
  readonly bytes: () => AsyncIterable<Uint8Array>;
  /** Where it comes from, when it is a plain copy: equal places are written once. */
  readonly place?: string;
}

/**
 * A tensor of another file, in the type asked for. Vectors stay as exact as they are: they are small, and norms and
 * statistics suffer most from fewer digits.
 */
export function copyOf(name: string, source: StridedEntry, dtype: FloatType | undefined): MadeTensor {
  const { shape, type, path, begin, end, strides } = source;
  const target = targetType(source, dtype);
  return {
    name,
    shape,
    type: target,
    place: `${path}:${begin}:${end}:${strides?.join()}:${shape.join()}`,
    bytes: () => (target === type ? tensorBytes(source) : castBytes(source, target as FloatType)),
  };
}

export function targetType(
  { type, shape }: Pick<StridedEntry, 'type' | 'shape'>,
  dtype: FloatType | undefined,
): TensorType {
  if (!isFloat(type)) return type;
  if (dtype !== undefined && (shape.length > 1 || dtype === 'F32')) return dtype;
  return type === 'F64' ? 'F32' : type;
}

/**
 * Writes a safetensors file piece by piece. Of tensors that are one, the first is written, and the others are noted as
 * `safetensors.torch.save_model` does.
 * @param onProgress told the share that is written
 */
export async function writeWeights(
  file: string,
  tensors: readonly MadeTensor[],
  onProgress?: (share: number) => void,
): Promise<void> {
  const first = new Map<string, string>();
  const metadata: Record<string, string> = { format: 'pt' };
  const written = tensors.filter(({ name, place }) => {
    const kept = place === undefined ? undefined : first.get(place);
    if (kept !== undefined) metadata[name] = kept;
    else if (place !== undefined) first.set(place, name);
    return kept === undefined;
  });
  const header = safetensorsHeader(written, metadata);
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(header.bytes);
    let done = header.bytes.length;
    for (const { bytes } of written) {
      for await (const piece of bytes()) {
        await handle.writeFile(piece);
        done += piece.length;
        onProgress?.(done / header.end);
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
