import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import { readMessage } from './msgpack-reader.ts';
import { writeMessage } from './msgpack-writer.ts';
import { elements, float64Array, NdArray, toNumbers, uint8Array } from './ndarray.ts';
import { isMap, type WireMap, type WireValue, wireMap } from './wire-value.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const fault = (bytes: Uint8Array, limits = {}): string => {
  try {
    readMessage(bytes, limits);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(MyelinError);
    return (thrown as MyelinError).message;
  }
  return 'none';
};

// What numpy and openpi's own msgpack_numpy wrote.
const PICTURE =
  '81a161 84 c40b5f5f6e6461727261795f5f c3 c40464617461 c403010203 c4056474797065 a37c7531 c4057368617065 920103';
const SCALAR = '83c40d5f5f6e7067656e657269635f5fc3c40464617461cb3ff8000000000000c4056474797065a33c6634';

describe('an openpi message', () => {
  it('is written byte for byte as openpi writes it', () => {
    const picture = uint8Array(Uint8Array.of(1, 2, 3), [1, 3]);
    expect(writeMessage(wireMap({ a: picture }))).toEqual(hex(PICTURE));
    expect(writeMessage(new Map())).toEqual(hex('80'));
  });

  it('is read as openpi wrote it', () => {
    const array = (readMessage(hex(PICTURE)) as WireMap).get('a') as NdArray;
    expect([array.dtype, array.shape, [...array.data]]).toEqual(['|u1', [1, 3], [1, 2, 3]]);
    expect(readMessage(hex(SCALAR))).toBe(1.5);
  });

  it('reads arrays whose keys are text, and the older form of them', () => {
    const text = '84 ab5f5f6e6461727261795f5f c3 a464617461 c40101 a56474797065 a37c7531 a57368617065 9101';
    const older =
      '85 c4026e64 c3 c40474797065 a37c7531 c4046b696e64 c400 c4057368617065 9101 c40464617461 c40101';
    for (const form of [text, older]) expect(readMessage(hex(form))).toBeInstanceOf(NdArray);
  });

  it('gives views of the message where the address allows, and right numbers where it does not', () => {
    const values = Float64Array.of(1, -2.5, 1e300);
    for (let shift = 0; shift < 9; shift++) {
      const message = writeMessage(wireMap({ ['k'.repeat(shift)]: float64Array(values) }));
      const array = [...(readMessage(message) as WireMap).values()][0] as NdArray;
      expect(array.data.buffer).toBe(message.buffer);
      expect(elements(array)).toEqual(values);
      expect(elements(array)?.buffer === message.buffer).toBe(array.data.byteOffset % 8 === 0);
    }
  });

  it('reads every plain type of numpy, in both byte orders', () => {
    const number = (dtype: string, bytes: string) =>
      [...(toNumbers(new NdArray(dtype, [], hex(bytes))) ?? [])][0];
    expect(number('<f8', '000000000000f83f')).toBe(1.5);
    expect(number('>f8', '3ff8000000000000')).toBe(1.5);
    expect(number('<f4', '0000c0bf')).toBe(-1.5);
    expect(number('<f2', '003e')).toBe(1.5);
    expect(number('>f2', 'fc00')).toBe(Number.NEGATIVE_INFINITY);
    expect(number('<f2', '0100')).toBe(2 ** -24);
    expect(number('<i8', 'feffffffffffffff')).toBe(-2);
    expect(number('>i4', 'fffffffe')).toBe(-2);
    expect(number('|i1', 'fe')).toBe(-2);
    expect(number('<u2', '0001')).toBe(256);
    expect(number('|b1', '01')).toBe(1);
    expect(toNumbers(new NdArray('<U1', [1], hex('61000000')))).toBeUndefined();
  });

  it('keeps any value from writing to reading', () => {
    const leaf = fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.double(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n }),
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.float64Array({ maxLength: 40 }).map((values) => float64Array(values)),
    );
    const { value } = fc.letrec<{ value: WireValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        leaf,
        fc.array(tie('value'), { maxLength: 20 }),
        fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 20 }).map((pairs) => new Map(pairs)),
      ),
    }));
    fc.assert(
      fc.property(value, (before) => {
        expect(readMessage(writeMessage(before))).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps a key that objects treat specially an ordinary key', () => {
    const message = readMessage(writeMessage(new Map([['__proto__', 1]])));
    expect(isMap(message) && message.get('__proto__')).toBe(1);
  });
});

describe('a hostile openpi message', () => {
  it.each([
    ['a length beyond its end', 'dd01c9c380'],
    ['a length beyond its end', 'df7fffffff'],
    ['a length beyond its end', 'c67fffffff01'],
    ['a length beyond its end', 'dbffffffff'],
    ['a length beyond its end', 'cb00'],
    ['a length beyond its end', ''],
    ['1 bytes after its end', '8000'],
    ['an extension type (0xd4)', 'd47240'],
    ['an extension type (0xc1)', 'c1'],
    ['a map key that is neither text nor bytes', '810101'],
    ['text that is not UTF-8', 'a1ff'],
    ['text that is not UTF-8', '81c401ff01'],
    [
      'a numpy scalar without a plain value',
      '82ac5f5f6e7067656e657269635f5fc3 a464617461 90'.replace('ac', 'ad'),
    ],
  ])('is refused: %s', (what, message) => {
    expect(fault(hex(message))).toContain(what);
  });

  it('is refused when it goes too deep or holds too much, without a stack that overflows', () => {
    expect(fault(new Uint8Array(1e6).fill(0x91))).toContain('more than 16 levels');
    expect(fault(writeMessage(Array.from({ length: 5000 }, () => 0)), { values: 4000 })).toContain(
      'too many values',
    );
  });

  it.each([
    ['not plain data', '|O', [1], 8],
    ['not plain data', '<c8', [1], 8],
    ['not plain data', '|V8', [1], 8],
    ['not plain data', '<f999999999', [1], 8],
    ['with 8 bytes in place of 16', '<f8', [2], 8],
    ['in place of', '<f8', [2 ** 40, 2 ** 40], 8],
    ['not whole numbers', '<f8', [-1, -1], 8],
    ['not whole numbers', '<f8', [0.5, 2], 8],
    ['33 axes', '|u1', Array(33).fill(1) as number[], 1],
  ])('is refused when an array is %s (%s %j)', (what, dtype, shape, bytes) => {
    expect(fault(writeMessage(new NdArray(dtype, shape, new Uint8Array(bytes))))).toContain(what);
  });

  it('is answered with an error of the table or read, whatever it is', () => {
    const good = writeMessage(
      wireMap({
        state: float64Array(Float64Array.of(1, 2)),
        images: wireMap({ a: uint8Array(new Uint8Array(12), [2, 2, 3]) }),
      }),
    );
    const damaged = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        fault(bytes);
      }),
      { numRuns: 3000 },
    );
  });
});
