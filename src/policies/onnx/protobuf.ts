/** Writes protocol-buffer messages: the four wire forms that ONNX needs, nothing else. */
export class ProtoWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** A whole number, non-negative and below 2^53. */
  integer(field: number, value: number): this {
    this.#varint(field * 8);
    return this.#varint(value);
  }

  /** A whole number that may be negative: two's complement in 64 bits, as int64 fields want it. */
  signed(field: number, value: number): this {
    if (value >= 0) return this.integer(field, value);
    this.#varint(field * 8);
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
    return this;
  }

  float(field: number, value: number): this {
    this.#varint(field * 8 + 5);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint(field * 8 + 2);
    this.#varint(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#length);
    this.#length += value.byteLength;
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  message(field: number, write: (writer: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    write(inner);
    return this.bytes(field, inner.finish());
  }

  /** What was written so far. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Seven bits a byte, least significant first. */
  #varint(value: number): this {
    this.#reserve(10);
    while (value > 127) {
      this.#bytes[this.#length++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    this.#bytes[this.#length++] = value;
    return this;
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + extra));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
