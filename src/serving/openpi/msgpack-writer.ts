import { NdArray } from './ndarray.ts';
import { isMap, type WireMap, type WireValue } from './wire-value.ts';

const utf8 = new TextEncoder();
const key = (text: string): Uint8Array => utf8.encode(text);

/** The keys of an array's envelope travel as bytes, not text: openpi's reader knows them only so. */
const NDARRAY_KEY = key('__ndarray__');
const DATA_KEY = key('data');
const DTYPE_KEY = key('dtype');
const SHAPE_KEY = key('shape');

/**
 * Writes one openpi message, byte for byte as its own client does (numbers without a fraction as integers, others as
 * float64). Large arrays are copied once, into the message.
 */
export function writeMessage(value: WireValue): Uint8Array {
  const writer = new Writer(sizeOf(value));
  writer.value(value);
  return writer.done();
}

/** Bytes a value takes at most. */
function sizeOf(value: WireValue): number {
  if (typeof value === 'string') return 5 + 3 * value.length;
  if (typeof value !== 'object' || value === null) return 9;
  if (value instanceof Uint8Array) return 5 + value.length;
  if (value instanceof NdArray)
    return 80 + value.data.length + 9 * value.shape.length + value.dtype.length * 3;
  let size = 5;
  if (isMap(value)) for (const [name, item] of value) size += 5 + 3 * name.length + sizeOf(item);
  else for (const item of value) size += sizeOf(item);
  return size;
}

class Writer {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  value(value: WireValue): void {
    if (value === null) this.#u8(0xc0);
    else if (typeof value === 'boolean') this.#u8(value ? 0xc3 : 0xc2);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#wide(value);
    else if (typeof value === 'string') this.#text(value);
    else if (value instanceof Uint8Array) this.#bin(value);
    else if (value instanceof NdArray) this.#ndarray(value);
    else if (isMap(value)) this.#map(value);
    else this.#array(value);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#u8(0xcb);
      this.#view.setFloat64(this.#grow(8), value);
    } else if (value >= 0) this.#natural(value);
    else this.#negative(value);
  }

  #natural(value: number): void {
    if (value < 0x80) this.#u8(value);
    else if (value < 0x100) this.#head(0xcc, 1, value);
    else if (value < 0x1_0000) this.#head(0xcd, 2, value);
    else if (value < 0x1_0000_0000) this.#head(0xce, 4, value);
    else this.#wide(BigInt(value));
  }

  #negative(value: number): void {
    if (value >= -32) this.#u8(value & 0xff);
    else if (value >= -0x80) this.#head(0xd0, 1, value & 0xff);
    else if (value >= -0x8000) this.#head(0xd1, 2, value & 0xffff);
    else if (value >= -0x8000_0000) this.#head(0xd2, 4, value >>> 0);
    else this.#wide(BigInt(value));
  }

  #wide(value: bigint): void {
    this.#u8(value < 0n ? 0xd3 : 0xcf);
    this.#view.setBigUint64(this.#grow(8), BigInt.asUintN(64, value));
  }

  #text(value: string): void {
    const bytes = utf8.encode(value);
    if (bytes.length < 32) this.#u8(0xa0 | bytes.length);
    else this.#length([0xd9, 0xda, 0xdb], bytes.length);
    this.#put(bytes);
  }

  #bin(bytes: Uint8Array): void {
    this.#length([0xc4, 0xc5, 0xc6], bytes.length);
    this.#put(bytes);
  }

  #array(items: readonly WireValue[]): void {
    if (items.length < 16) this.#u8(0x90 | items.length);
    else this.#length([undefined, 0xdc, 0xdd], items.length);
    for (const item of items) this.value(item);
  }

  #map(entries: WireMap): void {
    if (entries.size < 16) this.#u8(0x80 | entries.size);
    else this.#length([undefined, 0xde, 0xdf], entries.size);
    for (const [name, item] of entries) {
      this.#text(name);
      this.value(item);
    }
  }

  #ndarray({ data, dtype, shape }: NdArray): void {
    this.#u8(0x84);
    this.#bin(NDARRAY_KEY);
    this.#u8(0xc3);
    this.#bin(DATA_KEY);
    this.#bin(data);
    this.#bin(DTYPE_KEY);
    this.#text(dtype);
    this.#bin(SHAPE_KEY);
    this.#array(shape);
  }

  /** The shortest of the heads for lengths of 1, 2 and 4 bytes. */
  #length([one, two, four]: readonly [number | undefined, number, number], length: number): void {
    if (one !== undefined && length < 0x100) this.#head(one, 1, length);
    else if (length < 0x1_0000) this.#head(two, 2, length);
    else this.#head(four, 4, length);
  }

  #head(head: number, size: 1 | 2 | 4, value: number): void {
    this.#u8(head);
    const at = this.#grow(size);
    if (size === 1) this.#view.setUint8(at, value);
    else if (size === 2) this.#view.setUint16(at, value);
    else this.#view.setUint32(at, value);
  }

  #put(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#grow(bytes.length));
  }

  #u8(value: number): void {
    this.#view.setUint8(this.#grow(1), value);
  }

  #grow(size: number): number {
    const at = this.#at;
    this.#at += size;
    return at;
  }
}
