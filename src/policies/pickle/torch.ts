import { elementCount, TENSOR_BYTES, type TensorType } from '../safetensors.ts';
import { type AllowList, type Builder, GlobalName, PickleRefusal } from './allow-list.ts';
import { CONTAINERS } from './containers.ts';

/** Storage classes by the type of what they hold. */
const STORAGES: Readonly<Record<string, TensorType>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** Types that have no storage class of their own are named beside an untyped storage. */
const TYPES: Readonly<Record<string, TensorType>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
};

/** A run of elements that tensors are views of. */
export class TorchStorage {
  readonly type: TensorType;
  /** Its name within the file. */
  readonly key: string;
  /** How many elements it holds; of an untyped storage, bytes. */
  readonly length: number;
  /** There when it came along with the message; else it lies in the file. */
  readonly data: Uint8Array | undefined;

  constructor(type: TensorType, key: string, length: number, data?: Uint8Array) {
    this.type = type;
    this.key = key;
    this.length = length;
    this.data = data;
  }
}

/** A view of a storage: element [i, j, …] lies at `offset + i * strides[0] + j * strides[1] + …`, in elements. */
export class TorchTensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly storage: TorchStorage;

  constructor(fields: Pick<TorchTensor, 'type' | 'shape' | 'strides' | 'offset' | 'storage'>) {
    this.type = fields.type;
    this.shape = fields.shape;
    this.strides = fields.strides;
    this.offset = fields.offset;
    this.storage = fields.storage;
  }
}

/** Whether elements lie one after the other in row-major order; extents of 1 may have any stride. */
export function isContiguous({ shape, strides }: Pick<TorchTensor, 'shape' | 'strides'>): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = shape[axis] ?? 1;
    if (extent !== 1 && strides[axis] !== expected) return false;
    expected *= extent;
  }
  return true;
}

/**
 * The storage that a persistent id of `torch.save` stands for: `('storage', class, key, place, length, …)`. An untyped
 * one is a run of bytes.
 * @throws PickleRefusal
 */
export function torchStorage(id: unknown): TorchStorage {
  if (!Array.isArray(id) || id[0] !== 'storage' || !(id[1] instanceof GlobalName))
    throw new PickleRefusal('it refers to what is not a storage');
  const [, { name }, key, , length, view = null] = id as [string, GlobalName, ...unknown[]];
  const type = name.endsWith('.UntypedStorage') ? 'U8' : STORAGES[name.slice(name.lastIndexOf('.') + 1)];
  if (type === undefined) throw new PickleRefusal(`${name} is not a storage`);
  if (typeof key !== 'string' || view !== null) throw new PickleRefusal('a storage has no name of its own');
  return new TorchStorage(type, key, whole(length, 'length'));
}

function whole(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new PickleRefusal(`the ${what} of a tensor is not a whole number`);
  return value;
}

function wholes(value: unknown, what: string): number[] {
  if (!Array.isArray(value) || value.length > 16)
    throw new PickleRefusal(`the ${what} of a tensor is not a tuple`);
  return value.map((each) => whole(each, what));
}

/** `(storage, offset, shape, strides, …)`, all in elements. */
function makeTensor([storage, offset, size, stride]: readonly unknown[], type?: TensorType): TorchTensor {
  if (!(storage instanceof TorchStorage)) throw new PickleRefusal('a tensor has no storage');
  const tensor = new TorchTensor({
    type: type ?? storage.type,
    shape: wholes(size, 'shape'),
    strides: wholes(stride, 'strides'),
    offset: whole(offset, 'offset'),
    storage,
  });
  if (tensor.shape.length !== tensor.strides.length)
    throw new PickleRefusal('a tensor has not as many strides as extents');
  return tensor;
}

const rebuildTensor: Builder = { make: (args) => makeTensor(args) };

/** The same with its type behind: `(storage, offset, shape, strides, gradient, hooks, type)`. */
const rebuildTyped: Builder = {
  make: (args) => {
    const named = args[6];
    const type = named instanceof GlobalName ? TYPES[named.name.replace(/^torch\./, '')] : undefined;
    if (type === undefined) throw new PickleRefusal('a tensor has no type');
    return makeTensor(args, type);
  },
};

/** A parameter is a tensor that training changes; here it is that tensor. */
const rebuildParameter: Builder = {
  make: ([tensor]) => {
    if (!(tensor instanceof TorchTensor)) throw new PickleRefusal('a parameter is not a tensor');
    return tensor;
  },
};

const size: Builder = { make: ([extents]) => wholes(extents, 'shape') };
const device: Builder = { make: ([name, ...rest]) => [String(name), ...rest].join(':') };
const mention: Builder = {};

/** Tensors, parameters and what else `torch.save` writes of plain state; storages by persistent id. */
export const TORCH: AllowList = new Map<string, Builder>([
  ...CONTAINERS,
  ...Object.keys(STORAGES).map((name): [string, Builder] => [`torch.${name}`, mention]),
  ...Object.keys(TYPES).map((name): [string, Builder] => [`torch.${name}`, mention]),
  ['torch.storage.UntypedStorage', mention],
  ['torch.UntypedStorage', mention],
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_tensor_v3', rebuildTyped],
  ['torch._utils._rebuild_parameter', rebuildParameter],
  ['torch._utils._rebuild_parameter_with_state', rebuildParameter],
  ['torch.Size', size],
  ['torch.device', device],
]);

/**
 * Where a tensor lies in its storage, in bytes.
 * @throws PickleRefusal when not all of its elements are there, or when it repeats some
 */
export function tensorSpan(tensor: TorchTensor): { begin: number; end: number } {
  const { shape, strides, offset, storage } = tensor;
  const bytes = TENSOR_BYTES[tensor.type];
  const held = (storage.length * TENSOR_BYTES[storage.type]) / bytes;
  const count = elementCount(shape);
  if (count === 0) return { begin: 0, end: 0 };
  const last = shape.reduce((place, extent, axis) => place + (extent - 1) * (strides[axis] ?? 0), offset);
  if (!(last < held && count <= held))
    throw new PickleRefusal(
      `[${shape.join(', ')}] with strides [${strides.join(', ')}] from ${offset} on does not fit its ${held} elements`,
    );
  return { begin: offset * bytes, end: (last + 1) * bytes };
}
