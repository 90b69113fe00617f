import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtoWriter } from './protobuf.ts';

const hex = (writer: ProtoWriter) => Buffer.from(writer.finish()).toString('hex');

describe('the protocol-buffer writer', () => {
  it('writes the examples of the encoding guide', () => {
    expect(hex(new ProtoWriter().integer(1, 150))).toBe('089601');
    expect(hex(new ProtoWriter().string(2, 'testing'))).toBe('120774657374696e67');
    expect(hex(new ProtoWriter().message(3, (inner) => inner.integer(1, 150)))).toBe('1a03089601');
    expect(hex(new ProtoWriter().float(2, 1))).toBe('150000803f');
    expect(hex(new ProtoWriter().signed(1, -1))).toBe('08ffffffffffffffffff01');
  });

  it('writes every whole number so that it reads back', () => {
    const read = (bytes: Uint8Array) =>
      BigInt.asIntN(
        64,
        bytes.slice(1).reduce((sum, byte, i) => sum | (BigInt(byte & 127) << BigInt(7 * i)), 0n),
      );
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(read(new ProtoWriter().signed(1, value).finish())).toBe(BigInt(value));
      }),
    );
  });

  it('grows with what is written', () => {
    const bytes = new Uint8Array(100_000).fill(7);
    expect(new ProtoWriter().bytes(1, bytes).finish().length).toBe(100_000 + 4);
  });
});
