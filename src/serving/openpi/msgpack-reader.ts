import { MyelinError } from '../../core/errors.ts';
import { arrayFault, NdArray } from './ndarray.ts';
import type { WireValue } from './wire-value.ts';

/** What a message may hold; a message that holds more is refused before anything is made of it. */
export interface ReadLimits {
  /** Maps and arrays within each other. Default 16. */
  readonly depth?: number;
  /** Values in all, keys included; numpy arrays count as one. Default 100 000. */
  readonly values?: number;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads one openpi message: MessagePack, in which a map with the key `__ndarray__` is a numpy array and one with
 * `__npgeneric__` a numpy scalar. Arrays are views of the message: nothing is copied.
 *
 * No library does this: the general ones make room for as many items as a length claims, go as deep as the message
 * says, and build what extension types ask for. Here a length is believed only as far as bytes follow, and an
 * extension type is refused.
 * @throws MyelinError MESSAGE_INVALID
 */
export function readMessage(bytes: Uint8Array, limits: ReadLimits = {}): WireValue {
  const reader = new Reader(bytes, limits);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #depth: number;
  #valuesLeft: number;
  #at = 0;

  constructor(bytes: Uint8Array, { depth = 16, values = 100_000 }: ReadLimits) {
    const { buffer, byteOffset, byteLength } = bytes;
    // Of a Buffer too, parts are plain arrays: their `slice` copies.
    this.#bytes = new Uint8Array(buffer, byteOffset, byteLength);
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.#depth = depth;
    this.#valuesLeft = values;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) this.#fail(`${this.#bytes.length - this.#at} bytes after its end`);
  }

  value(depth: number): WireValue {
    if (depth > this.#depth) this.#fail(`more than ${this.#depth} levels`);
    if (--this.#valuesLeft < 0) this.#fail('too many values');
    const head = this.#u8();
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 15, depth);
    if (head < 0xa0) return this.#array(head & 15, depth);
    if (head < 0xc0) return this.#text(head & 31);
    if (head >= 0xe0) return head - 256;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#take(this.#u8());
      case 0xc5:
        return this.#take(this.#u16());
      case 0xc6:
        return this.#take(this.#u32());
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcc:
        return this.#u8();
      case 0xcd:
        return this.#u16();
      case 0xce:
        return this.#u32();
      case 0xcf:
        return plain(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return plain(this.#view.getBigInt64(this.#skip(8)));
      case 0xd9:
        return this.#text(this.#u8());
      case 0xda:
        return this.#text(this.#u16());
      case 0xdb:
        return this.#text(this.#u32());
      case 0xdc:
        return this.#array(this.#u16(), depth);
      case 0xdd:
        return this.#array(this.#u32(), depth);
      case 0xde:
        return this.#map(this.#u16(), depth);
      case 0xdf:
        return this.#map(this.#u32(), depth);
      default:
        return this.#fail(`an extension type (0x${head.toString(16)})`);
    }
  }

  #array(length: number, depth: number): WireValue {
    this.#believe(length);
    const items: WireValue[] = [];
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): WireValue {
    this.#believe(2 * length);
    const entries = new Map<string, WireValue>();
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      if (typeof key === 'string') entries.set(key, this.value(depth + 1));
      else if (key instanceof Uint8Array) entries.set(this.#decode(key), this.value(depth + 1));
      else this.#fail('a map key that is neither text nor bytes');
    }
    if (entries.get('__ndarray__') === true) return this.#ndarray(entries);
    if (entries.get('nd') === true && entries.has('type')) return this.#ndarray(entries);
    if (entries.get('__npgeneric__') === true) return this.#scalar(entries);
    return entries;
  }

  /** openpi's own form, and the older one with `nd`, `type`, `kind`, `shape` and `data`. */
  #ndarray(entries: ReadonlyMap<string, WireValue>): NdArray {
    const shape = entries.get('shape');
    const data = entries.get('data');
    const type = entries.get('dtype') ?? entries.get('type');
    const dtype = type instanceof Uint8Array ? this.#decode(type) : type;
    if (typeof dtype !== 'string' || !(data instanceof Uint8Array) || !Array.isArray(shape))
      return this.#fail('an array without dtype, shape or data');
    const fault = arrayFault(dtype, shape, data);
    return fault === undefined ? new NdArray(dtype, shape, data) : this.#fail(fault);
  }

  #scalar(entries: ReadonlyMap<string, WireValue>): WireValue {
    const data = entries.get('data');
    if (data !== undefined && (data === null || typeof data !== 'object')) return data;
    return this.#fail('a numpy scalar without a plain value');
  }

  /** Every item takes a byte at least, so a length beyond the bytes that follow is a lie. */
  #believe(least: number): void {
    if (least > this.#bytes.length - this.#at) this.#fail('a length beyond its end');
  }

  #text(length: number): string {
    return this.#decode(this.#take(length));
  }

  #decode(bytes: Uint8Array): string {
    try {
      return utf8.decode(bytes);
    } catch {
      return this.#fail('text that is not UTF-8');
    }
  }

  #take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #skip(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) this.#fail('a length beyond its end');
    this.#at = start + length;
    return start;
  }

  #u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  #u16(): number {
    return this.#view.getUint16(this.#skip(2));
  }

  #u32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  #fail(what: string): never {
    throw new MyelinError('MESSAGE_INVALID', { detail: `it holds ${what} (byte ${this.#at})` });
  }
}

const plain = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};
