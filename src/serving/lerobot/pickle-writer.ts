/** Opcodes written here. */
const PROTO = 0x80;
const STOP = 0x2e;
const MARK = 0x28;
const NEWTRUE = 0x88;
const NEWFALSE = 0x89;
const BININT = 0x4a;
const BININT1 = 0x4b;
const BININT2 = 0x4d;
const LONG1 = 0x8a;
const BINFLOAT = 0x47;
const SHORT_BINUNICODE = 0x8c;
const BINUNICODE = 0x58;
const SHORT_BINBYTES = 0x43;
const BINBYTES = 0x42;
const EMPTY_TUPLE = 0x29;
const TUPLE = 0x74;
const SMALL_TUPLES: readonly number[] = [EMPTY_TUPLE, 0x85, 0x86, 0x87];
const EMPTY_LIST = 0x5d;
const APPENDS = 0x65;
const EMPTY_DICT = 0x7d;
const SETITEMS = 0x75;
const BINPUT = 0x71;
const BINGET = 0x68;
const GLOBAL = 0x63;
const REDUCE = 0x52;
const NEWOBJ = 0x81;
const BUILD = 0x62;

/** Bytes strings above this are kept as they are and joined once, at the end. */
const LARGE_BYTES = 4096;

/** A name that Python looks up, and that a memo slot keeps once it was written. */
export interface PythonName {
  readonly module: string;
  readonly name: string;
}

/**
 * Writes a pickle of protocol 4 piece by piece, as small as Python reads it: no frames, and memo slots only for what
 * is used again.
 */
export class PickleWriter {
  readonly #parts: Uint8Array[] = [];
  #buffer = Buffer.allocUnsafe(4096);
  #length = 0;
  readonly #slots = new Map<string, number>();

  constructor() {
    this.#code(PROTO, 4);
  }

  /** The pickle, ended. */
  finish(): Buffer {
    this.#code(STOP);
    this.#flush();
    return Buffer.concat(this.#parts);
  }

  boolean(value: boolean): this {
    return this.#code(value ? NEWTRUE : NEWFALSE);
  }

  /** A whole number of up to 53 bits. */
  integer(value: number): this {
    if (value >= 0 && value < 0x100) return this.#code(BININT1, value);
    if (value >= 0 && value < 0x10000) {
      const at = this.#reserve(3);
      this.#buffer[at] = BININT2;
      this.#buffer.writeUInt16LE(value, at + 1);
      return this;
    }
    if (value >= -0x80000000 && value <= 0x7fffffff) {
      const at = this.#reserve(5);
      this.#buffer[at] = BININT;
      this.#buffer.writeInt32LE(value, at + 1);
      return this;
    }
    const at = this.#reserve(10);
    this.#buffer[at] = LONG1;
    this.#buffer[at + 1] = 8;
    this.#buffer.writeBigInt64LE(BigInt(value), at + 2);
    return this;
  }

  float(value: number): this {
    const at = this.#reserve(9);
    this.#buffer[at] = BINFLOAT;
    this.#buffer.writeDoubleBE(value, at + 1);
    return this;
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    if (bytes.length < 0x100) this.#code(SHORT_BINUNICODE, bytes.length);
    else this.#sized(BINUNICODE, bytes.length);
    return this.#raw(bytes);
  }

  bytes(value: Uint8Array): this {
    if (value.length < 0x100) this.#code(SHORT_BINBYTES, value.length);
    else this.#sized(BINBYTES, value.length);
    return this.#raw(value);
  }

  /** A tuple of what `parts` writes. */
  tuple(count: number, parts: () => void): this {
    if (count > 3) this.#code(MARK);
    parts();
    return this.#code(SMALL_TUPLES[count] ?? TUPLE);
  }

  /** A list of what `items` writes. */
  list(items: () => void): this {
    this.#code(EMPTY_LIST, MARK);
    items();
    return this.#code(APPENDS);
  }

  /** A dictionary of the keys and values that `items` writes in turn. */
  dict(items: () => void): this {
    this.#code(EMPTY_DICT, MARK);
    items();
    return this.#code(SETITEMS);
  }

  /** A name; from the second time on out of its memo slot, if it has one. */
  global({ module, name }: PythonName, slot?: number): this {
    return this.shared(slot, `${module}.${name}`, () =>
      this.#code(GLOBAL).#raw(Buffer.from(`${module}\n${name}\n`)),
    );
  }

  /** What `value` writes, once; from the second time on it comes out of the memo slot. */
  shared(slot: number | undefined, key: string, value: () => void): this {
    const known = this.#slots.get(key);
    if (known !== undefined) return this.#code(BINGET, known);
    value();
    if (slot === undefined) return this;
    this.#slots.set(key, slot);
    return this.#code(BINPUT, slot);
  }

  /** Calls the name with `count` arguments that `parts` writes. */
  call(name: () => void, count: number, parts: () => void): this {
    name();
    this.tuple(count, parts);
    return this.#code(REDUCE);
  }

  /** An object of the class `name` with the attributes that `items` writes. */
  object(name: () => void, items: () => void): this {
    name();
    this.#code(EMPTY_TUPLE, NEWOBJ);
    this.dict(items);
    return this.#code(BUILD);
  }

  #code(...bytes: readonly number[]): this {
    const at = this.#reserve(bytes.length);
    for (const [i, byte] of bytes.entries()) this.#buffer[at + i] = byte;
    return this;
  }

  #sized(opcode: number, length: number): void {
    const at = this.#reserve(5);
    this.#buffer[at] = opcode;
    this.#buffer.writeUInt32LE(length, at + 1);
  }

  #raw(bytes: Uint8Array): this {
    if (bytes.length > LARGE_BYTES) {
      this.#flush();
      this.#parts.push(bytes);
    } else {
      const at = this.#reserve(bytes.length);
      this.#buffer.set(bytes, at);
    }
    return this;
  }

  #reserve(bytes: number): number {
    if (this.#length + bytes > this.#buffer.length) this.#flush();
    const at = this.#length;
    this.#length += bytes;
    return at;
  }

  #flush(): void {
    if (this.#length === 0) return;
    this.#parts.push(this.#buffer.subarray(0, this.#length));
    this.#buffer = Buffer.allocUnsafe(Math.max(4096, LARGE_BYTES));
    this.#length = 0;
  }
}
