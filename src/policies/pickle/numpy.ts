import { type AllowList, type Builder, PickleRefusal } from './allow-list.ts';

/** Kinds and item sizes that are plain numbers: signed, unsigned, floating point, boolean. */
const ITEM = /^([<>|=]?)([iufb])([1248])$/;

/** A numpy element type: byte order, kind and size, as `<f4` or `|u1`. */
export class NumpyType {
  readonly kind: 'i' | 'u' | 'f' | 'b';
  readonly itemBytes: 1 | 2 | 4 | 8;
  littleEndian = true;

  constructor(text: string) {
    const [, order, kind, size] = ITEM.exec(text) ?? [];
    if (kind === undefined || size === undefined)
      throw new PickleRefusal(`the numpy type "${text.slice(0, 20)}" is not one of plain numbers`);
    this.kind = kind as NumpyType['kind'];
    this.itemBytes = Number(size) as NumpyType['itemBytes'];
    if ((kind === 'b' && size !== '1') || (kind === 'f' && size === '1'))
      throw new PickleRefusal(`the numpy type "${text}" does not exist`);
    this.littleEndian = order !== '>';
  }
}

/** An array as it was pickled; `data` is a view of the pickle, not necessarily aligned. */
export class NumpyArray {
  type: NumpyType = new NumpyType('b1');
  shape: readonly number[] = [0];
  /** Whether the first index runs fastest. */
  columnMajor = false;
  data: Uint8Array = new Uint8Array(0);
}

const extents = (value: unknown): readonly number[] => {
  const shape = typeof value === 'number' ? [value] : value;
  if (!Array.isArray(shape) || shape.length > 32 || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw new PickleRefusal('the shape of an array is not made of whole numbers');
  return shape as number[];
};

function checked(array: NumpyArray): NumpyArray {
  const bytes = array.shape.reduce((product, n) => product * n, array.type.itemBytes);
  if (bytes !== array.data.length)
    throw new PickleRefusal(`an array of [${array.shape}] takes ${bytes} bytes, not ${array.data.length}`);
  return array;
}

const dtype: Builder = {
  make: ([text]) => {
    if (typeof text !== 'string') throw new PickleRefusal('a numpy type is not given as text');
    return new NumpyType(text);
  },
  // (version, byte order, subtype, names, fields, item size, alignment, flags)
  fill: (made, state) => {
    if (!(made instanceof NumpyType) || !Array.isArray(state))
      throw new PickleRefusal('the state of a numpy type is not a tuple');
    const [, order, subtype, names, fields] = state;
    if ((subtype ?? names ?? fields ?? null) !== null)
      throw new PickleRefusal('a numpy type has parts of its own');
    if (order !== '<' && order !== '>' && order !== '|' && order !== '=')
      throw new PickleRefusal('a numpy type has no byte order');
    made.littleEndian = order !== '>';
  },
};

const reconstruct: Builder = {
  make: () => new NumpyArray(),
  // (version, shape, type, column major, bytes)
  fill: (made, state) => {
    if (!(made instanceof NumpyArray) || !Array.isArray(state) || state.length !== 5)
      throw new PickleRefusal('the state of an array is not a tuple of five');
    const [, shape, type, columnMajor, data] = state as unknown[];
    if (!(type instanceof NumpyType) || !isBytes(data))
      throw new PickleRefusal('the state of an array lacks its type or bytes');
    made.shape = extents(shape);
    made.type = type;
    made.columnMajor = columnMajor === true || columnMajor === 1;
    made.data = bytesOf(data);
    checked(made);
  },
};

/** `_frombuffer(bytes, type, shape, order)` of protocol 5. */
const fromBuffer: Builder = {
  make: ([data, type, shape, order]) => {
    if (!(data instanceof Uint8Array) || !(type instanceof NumpyType))
      throw new PickleRefusal('an array lacks its bytes or type');
    const array = new NumpyArray();
    array.shape = extents(shape);
    array.type = type;
    array.columnMajor = order === 'F';
    array.data = data;
    return checked(array);
  },
};

/** `ndarray(shape, type, bytes)`, the public constructor. */
const ndarray: Builder = {
  make: ([shape, type, data]) => {
    if (!(data instanceof Uint8Array)) throw new PickleRefusal('an array lacks its bytes');
    const array = new NumpyArray();
    array.shape = extents(shape);
    array.type = type instanceof NumpyType ? type : new NumpyType(String(type));
    array.data = data;
    return checked(array);
  },
};

/** One number: given as a plain number, boolean or bigint. */
const scalar: Builder = {
  make: ([type, data]) => {
    if (!(type instanceof NumpyType) || !isBytes(data) || bytesOf(data).length !== type.itemBytes)
      throw new PickleRefusal('a numpy number lacks its type or bytes');
    return readNumber(type, new DataView(Uint8Array.from(bytesOf(data)).buffer), 0);
  },
};

/** Python 2 wrote bytes as texts where they happened to be ASCII. */
const isBytes = (value: unknown): value is Uint8Array | string =>
  value instanceof Uint8Array || typeof value === 'string';
const bytesOf = (value: Uint8Array | string): Uint8Array =>
  typeof value === 'string' ? Uint8Array.from(Buffer.from(value, 'latin1')) : value;

/** One element; integers of eight bytes are bigints, halves are not read here. */
function readNumber(type: NumpyType, view: DataView, offset: number): number | bigint | boolean {
  const little = type.littleEndian;
  switch (`${type.kind}${type.itemBytes}`) {
    case 'b1':
      return view.getUint8(offset) !== 0;
    case 'i1':
      return view.getInt8(offset);
    case 'u1':
      return view.getUint8(offset);
    case 'i2':
      return view.getInt16(offset, little);
    case 'u2':
      return view.getUint16(offset, little);
    case 'i4':
      return view.getInt32(offset, little);
    case 'u4':
      return view.getUint32(offset, little);
    case 'i8':
      return narrow(view.getBigInt64(offset, little));
    case 'u8':
      return narrow(view.getBigUint64(offset, little));
    case 'f4':
      return view.getFloat32(offset, little);
    case 'f8':
      return view.getFloat64(offset, little);
    default:
      throw new PickleRefusal(`numbers of type ${type.kind}${type.itemBytes} are not read`);
  }
}

const narrow = (value: bigint): number | bigint =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value;

/** Elements in row-major order, whatever order they are stored in. @throws PickleRefusal for halves */
export function numpyValues(array: NumpyArray): (number | bigint | boolean)[] {
  const { shape, type, data } = array;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const count = data.length / type.itemBytes;
  return Array.from({ length: count }, (_, i) =>
    readNumber(type, view, type.itemBytes * (array.columnMajor ? columnMajorIndex(i, shape) : i)),
  );
}

/** Where the element that comes `index`-th in row-major order lies when the first index runs fastest. */
function columnMajorIndex(index: number, shape: readonly number[]): number {
  let rest = index;
  let stride = shape.reduce((product, n) => product * n, 1);
  let place = 0;
  for (const extent of [...shape].reverse()) {
    stride /= extent;
    place += (rest % extent) * stride;
    rest = Math.floor(rest / extent);
  }
  return place;
}

const arrays = (module: string): [string, Builder][] => [
  [`${module}.multiarray._reconstruct`, reconstruct],
  [`${module}.multiarray.scalar`, scalar],
  [`${module}.numeric._frombuffer`, fromBuffer],
];

/** Arrays and numbers of numpy, before and after its modules were renamed in version 2. Object arrays are refused. */
export const NUMPY: AllowList = new Map([
  ...arrays('numpy._core'),
  ...arrays('numpy.core'),
  ['numpy.ndarray', ndarray],
  ['numpy.dtype', dtype],
]);
