import { MyelinError } from '../../core/errors.ts';
import { PickleRefusal } from '../../policies/pickle/allow-list.ts';
import { NumpyArray } from '../../policies/pickle/numpy.ts';
import { isContiguous, TorchTensor, tensorSpan } from '../../policies/pickle/torch.ts';
import { elementCount, fromF16, TENSOR_BYTES, type TensorType } from '../../policies/safetensors.ts';

/** An array of numbers: elements in row-major order, little end first. */
export interface WireArray {
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** A view of the message where its order allowed it. */
  readonly bytes: Uint8Array;
}

const NUMPY_TYPES: Readonly<Record<string, TensorType>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  i8: 'I64',
  i4: 'I32',
  i2: 'I16',
  i1: 'I8',
  u8: 'U64',
  u4: 'U32',
  u2: 'U16',
  u1: 'U8',
  b1: 'BOOL',
};

const unreadable = (detail: string) => new MyelinError('MESSAGE_INVALID', { detail });

/**
 * Bytes that reading one message may copy. Many views of one storage take a few bytes each on the wire, and whole
 * copies where their order is another.
 */
export class CopyBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** @throws MyelinError MESSAGE_INVALID when there is no more */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw unreadable('its arrays stand for more bytes than it may hold');
  }
}

/** @throws MyelinError MESSAGE_INVALID for element types that are not numbers */
export function fromNumpy(array: NumpyArray, budget: CopyBudget): WireArray {
  const { kind, itemBytes, littleEndian } = array.type;
  const type = NUMPY_TYPES[`${kind}${itemBytes}`];
  if (type === undefined) throw unreadable(`an array of ${kind}${itemBytes} is not read`);
  let { data } = array;
  if (array.columnMajor && array.shape.length > 1) {
    // The first index runs fastest: strides are the products of the extents before.
    const strides = array.shape.map((_, axis) => elementCount(array.shape.slice(0, axis)));
    budget.take(data.length);
    data = gathered(data, itemBytes, array.shape, strides, 0);
  }
  if (!littleEndian && itemBytes > 1) {
    budget.take(data.length);
    data = swapped(data, itemBytes);
  }
  return { type, shape: array.shape, bytes: data };
}

/** @throws MyelinError MESSAGE_INVALID when its elements are not in the message */
export function fromTorch(tensor: TorchTensor, budget: CopyBudget): WireArray {
  const { type, shape, strides, storage, offset } = tensor;
  const { begin, end } = spanOf(tensor);
  if (storage.data === undefined) throw unreadable('a tensor came without its elements');
  const whole = isContiguous(tensor);
  if (!whole) budget.take(elementCount(shape) * TENSOR_BYTES[type]);
  const bytes = whole
    ? storage.data.subarray(begin, end)
    : gathered(storage.data, TENSOR_BYTES[type], shape, strides, offset);
  return { type, shape, bytes };
}

function spanOf(tensor: TorchTensor): { begin: number; end: number } {
  try {
    return tensorSpan(tensor);
  } catch (thrown) {
    if (thrown instanceof PickleRefusal) throw unreadable(thrown.message);
    throw thrown;
  }
}

export const isWireArray = (value: unknown): value is WireArray =>
  typeof value === 'object' && value !== null && 'bytes' in value && 'shape' in value;

/** Every element as a number. */
export function numbersOf({ type, shape, bytes }: WireArray): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const numbers = new Float64Array(elementCount(shape));
  const size = TENSOR_BYTES[type];
  for (let i = 0; i < numbers.length; i++) numbers[i] = readNumber(view, type, i * size);
  return numbers;
}

function readNumber(view: DataView, type: TensorType, at: number): number {
  switch (type) {
    case 'F64':
      return view.getFloat64(at, true);
    case 'F32':
      return view.getFloat32(at, true);
    case 'F16':
      return fromF16(view.getUint16(at, true));
    case 'BF16':
      return bf16(view.getUint16(at, true));
    case 'I64':
      return Number(view.getBigInt64(at, true));
    case 'I32':
      return view.getInt32(at, true);
    case 'I16':
      return view.getInt16(at, true);
    case 'I8':
      return view.getInt8(at);
    case 'U64':
      return Number(view.getBigUint64(at, true));
    case 'U32':
      return view.getUint32(at, true);
    case 'U16':
      return view.getUint16(at, true);
    case 'U8':
    case 'BOOL':
      return view.getUint8(at);
    default:
      throw unreadable(`numbers of type ${type} are not read`);
  }
}

const word = new DataView(new ArrayBuffer(4));

/** The upper half of a float32. */
function bf16(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** Elements put into row-major order. Strides and offset count elements. */
function gathered(
  data: Uint8Array,
  size: number,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): Uint8Array {
  const count = elementCount(shape);
  const out = new Uint8Array(count * size);
  const index = new Array<number>(shape.length).fill(0);
  let from = offset;
  for (let i = 0; i < count; i++) {
    for (let byte = 0; byte < size; byte++) out[i * size + byte] = data[from * size + byte] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] ?? 0;
      const at = (index[axis] ?? 0) + 1;
      if (at < (shape[axis] ?? 0)) {
        index[axis] = at;
        from += stride;
        break;
      }
      from -= (at - 1) * stride;
      index[axis] = 0;
    }
  }
  return out;
}

function swapped(data: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += size) {
    for (let byte = 0; byte < size; byte++) out[at + byte] = data[at + size - 1 - byte] ?? 0;
  }
  return out;
}

/** Arrays and tensors of an unpickled message; undefined for anything else. */
export function wireArrayOf(value: unknown, budget: CopyBudget): WireArray | undefined {
  if (value instanceof NumpyArray) return fromNumpy(value, budget);
  return value instanceof TorchTensor ? fromTorch(value, budget) : undefined;
}
