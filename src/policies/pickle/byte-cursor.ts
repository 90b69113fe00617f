import { PickleRefusal } from './allow-list.ts';

/** Reads a pickle's arguments one after the other; running past the end is a refusal, never undefined data. */
export class ByteCursor {
  readonly bytes: Uint8Array;
  position: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, position: number) {
    this.bytes = bytes;
    this.position = position;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.position;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  /** A length of eight bytes. */
  u64(): number {
    const value = this.#view.getBigUint64(this.#advance(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new PickleRefusal(`it claims ${value} bytes`);
    return Number(value);
  }

  /** Pickle writes floats, and nothing else, big end first. */
  f64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A view of the next bytes, not a copy. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** The bytes up to the next line feed, which is skipped. */
  line(most: number): Uint8Array {
    const end = this.bytes.indexOf(10, this.position);
    if (end < 0) throw new PickleRefusal('a line does not end');
    if (end - this.position > most) throw new PickleRefusal(`a line is longer than ${most} bytes`);
    const line = this.bytes.subarray(this.position, end);
    this.position = end + 1;
    return line;
  }

  #advance(length: number): number {
    if (length > this.left) throw new PickleRefusal(`it needs ${length} bytes, ${this.left} are left`);
    const start = this.position;
    this.position += length;
    return start;
  }
}
