import { MyelinError } from '../../core/errors.ts';
import { isWeightType, widen } from '../quantize/widen.ts';
import { elementCount, type TensorType } from '../safetensors.ts';
import { toBf16 } from '../safetensors-writer.ts';
import { tensorBytes } from '../torch-file/tensor-bytes.ts';
import type { StridedEntry } from '../torch-file/torch-file.ts';

/** Types that weights can be converted to. */
export type FloatType = 'F32' | 'BF16' | 'F16';

export const isFloat = (type: TensorType): boolean => isWeightType(type) || type === 'F64';

/** A tensor's bytes in row-major order as another floating-point type, a few MiB at a time. */
export async function* castBytes(tensor: StridedEntry, to: FloatType): AsyncGenerator<Uint8Array> {
  for await (const piece of tensorBytes(tensor))
    yield tensor.type === to ? piece : narrow(floatsOf(piece, tensor), to);
}

/** A whole tensor in memory, row-major. @throws MyelinError TENSOR_INVALID for other types than floats */
export async function readFloats(tensor: StridedEntry): Promise<Float32Array> {
  const floats = new Float32Array(elementCount(tensor.shape));
  let at = 0;
  for await (const piece of tensorBytes(tensor)) {
    const part = floatsOf(piece, tensor);
    floats.set(part, at);
    at += part.length;
  }
  return floats;
}

/** Little-endian bytes of the type; the nearest value, ties to even, where the type has fewer digits. */
export function narrow(floats: Float32Array, to: FloatType): Uint8Array {
  const array = to === 'F32' ? floats : to === 'BF16' ? toBf16(floats) : toF16(floats);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function floatsOf(bytes: Uint8Array, { path, name, type }: StridedEntry): Float32Array {
  if (isWeightType(type)) return widen(bytes, type);
  if (type === 'F64')
    return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8));
  const detail = `${type} is not a floating-point type`;
  throw new MyelinError('TENSOR_INVALID', { file: path, tensor: name, detail });
}

const LARGEST_F16_BITS = 0x7bff;

/** IEEE 754 binary16, rounded to nearest, ties to even. Beyond 65504 becomes infinite. */
export function toF16(floats: Float32Array): Uint16Array {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  return Uint16Array.from(words, halfBits);
}

function halfBits(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const exponent = (word >>> 23) & 0xff;
  const fraction = word & 0x7fffff;
  if (exponent === 255) return sign | (fraction === 0 ? 0x7c00 : 0x7e00);
  // Below 2^-25 it is nearer to zero than to the smallest half.
  if (exponent < 102) return sign;
  // Halves below 2^-14 have fewer digits the smaller they are.
  const shift = exponent < 113 ? 126 - exponent : 13;
  const whole = exponent < 113 ? fraction | 0x800000 : ((exponent - 112) << 23) | fraction;
  const cut = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const bits = cut + (rest > half || (rest === half && (cut & 1) === 1) ? 1 : 0);
  return sign | Math.min(bits, LARGEST_F16_BITS + 1);
}
