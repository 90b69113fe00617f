import { endianness } from 'node:os';

/** Bytes of one element by numpy's kind and size; `U` and `S` have any size. */
const ITEM_BYTES: Readonly<Record<string, number>> = {
  b1: 1,
  i1: 1,
  u1: 1,
  i2: 2,
  u2: 2,
  f2: 2,
  i4: 4,
  u4: 4,
  f4: 4,
  i8: 8,
  u8: 8,
  f8: 8,
};
const MOST_AXES = 32;
const LITTLE = endianness() === 'LE';

/** A numpy array as it travels: C order, `shape` in elements, `data` exactly as long as they say. */
export class NdArray {
  /** numpy's `dtype.str`: `<f4`, `|u1`, `>i2`, `<U12` ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;

  constructor(dtype: string, shape: readonly number[], data: Uint8Array) {
    this.dtype = dtype;
    this.shape = shape;
    this.data = data;
  }

  /** Elements. */
  get size(): number {
    return this.shape.reduce((product, axis) => product * axis, 1);
  }

  /** `u1`, `f4`, `b1` ...: the type without its byte order. */
  get kind(): string {
    return this.dtype.slice(1);
  }
}

/** Bytes of one element, or undefined for a type that is not plain data (objects, records, complex numbers). */
export function itemBytes(dtype: string): number | undefined {
  const match = /^([<>|=])([a-zA-Z])(\d{1,8})$/.exec(dtype);
  if (match === null) return undefined;
  const [, , kind = '', digits = ''] = match;
  if (kind === 'U') return 4 * Number(digits);
  if (kind === 'S') return Number(digits);
  return ITEM_BYTES[`${kind}${digits}`];
}

/** Why these three make no array, or undefined when they do. */
export function arrayFault(dtype: string, shape: readonly number[], data: Uint8Array): string | undefined {
  const item = itemBytes(dtype);
  if (item === undefined)
    return `an array of type ${JSON.stringify(dtype.slice(0, 20))}, which is not plain data`;
  if (shape.length > MOST_AXES) return `an array of ${shape.length} axes`;
  if (!shape.every((axis) => Number.isSafeInteger(axis) && axis >= 0))
    return 'an array whose shape is not whole numbers';
  const bytes = shape.reduce((product, axis) => product * axis, item);
  if (bytes === data.length) return undefined;
  return `an array of ${dtype} [${shape.join(', ')}] with ${data.length} bytes in place of ${bytes}`;
}

type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** float16 by its bits: sign, 5 bits of exponent, 10 of fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The bytes in this machine's order and at an address the element type allows: the same memory where both hold. */
function aligned(array: NdArray, item: number): Uint8Array {
  const { data, dtype } = array;
  const foreign = item > 1 && (dtype[0] === '>' ? LITTLE : dtype[0] === '<' && !LITTLE);
  if (!foreign && data.byteOffset % item === 0) return data;
  const copy = new Uint8Array(data);
  if (foreign) for (let at = 0; at < copy.length; at += item) copy.subarray(at, at + item).reverse();
  return copy;
}

/**
 * The elements as a typed array, without copying where alignment and byte order allow. float16 is widened to float32.
 * Undefined for text.
 */
export function elements(array: NdArray): TypedArray | undefined {
  const item = itemBytes(array.dtype) ?? 0;
  const { kind, size } = array;
  if (kind[0] === 'U' || kind[0] === 'S' || item === 0) return undefined;
  const { buffer, byteOffset } = aligned(array, item);
  switch (kind) {
    case 'b1':
    case 'u1':
      return new Uint8Array(buffer, byteOffset, size);
    case 'i1':
      return new Int8Array(buffer, byteOffset, size);
    case 'u2':
      return new Uint16Array(buffer, byteOffset, size);
    case 'i2':
      return new Int16Array(buffer, byteOffset, size);
    case 'u4':
      return new Uint32Array(buffer, byteOffset, size);
    case 'i4':
      return new Int32Array(buffer, byteOffset, size);
    case 'u8':
      return new BigUint64Array(buffer, byteOffset, size);
    case 'i8':
      return new BigInt64Array(buffer, byteOffset, size);
    case 'f4':
      return new Float32Array(buffer, byteOffset, size);
    case 'f8':
      return new Float64Array(buffer, byteOffset, size);
    default:
      return Float32Array.from(new Uint16Array(buffer, byteOffset, size), halfToNumber);
  }
}

/** The elements as numbers of their own memory; undefined for text. */
export function toNumbers(array: NdArray): Float64Array | undefined {
  const values = elements(array);
  if (values === undefined) return undefined;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return Float64Array.from(values as BigInt64Array, Number);
  }
  return Float64Array.from(values);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array | Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** An array of float64 over the same memory. */
export const float64Array = (values: Float64Array, shape: readonly number[] = [values.length]): NdArray =>
  new NdArray('<f8', shape, bytesOf(values));

/** An array of float32 over the same memory. */
export const float32Array = (values: Float32Array, shape: readonly number[] = [values.length]): NdArray =>
  new NdArray('<f4', shape, bytesOf(values));

/** A picture, [height, width, 3] or as `shape` says, over the same memory. */
export const uint8Array = (values: Uint8Array, shape: readonly number[]): NdArray =>
  new NdArray('|u1', shape, values);
