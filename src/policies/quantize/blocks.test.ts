import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantizeRows, quantizeRows } from './blocks.ts';
import { QUANTIZED_FORMATS } from './format.ts';
import { widen } from './widen.ts';

const formats = Object.values(QUANTIZED_FORMATS);
const matrix = fc
  .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 300 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      weights: fc.float32Array({
        minLength: rows * columns,
        maxLength: rows * columns,
        min: -4,
        max: 4,
        noNaN: true,
      }),
    }),
  );

describe.each(formats)('a matrix in $name', (format) => {
  it('differs from the weights by half a step at most, by a whole one at the short end of the range', () => {
    fc.assert(
      fc.property(matrix, ({ rows, columns, weights }) => {
        const made = quantizeRows(weights, rows, columns, format);
        const back = dequantizeRows(made, rows, columns, format);
        const blocks = Math.ceil(columns / format.block);
        back.forEach((value, i) => {
          const block = Math.floor(i / columns) * blocks + Math.floor((i % columns) / format.block);
          const step = Math.abs(made.scales[block]!);
          const weight = weights[i]!;
          const short = Math.sign(weight) === Math.sign(made.scales[block]!);
          expect(Math.abs(value - weight)).toBeLessThanOrEqual((short ? 1 : 0.5) * step + 1e-6);
        });
      }),
      { numRuns: 100 },
    );
  });

  it('keeps each block its largest weight', () => {
    const weights = Float32Array.from({ length: 2 * format.block }, (_, i) => Math.sin(i));
    weights[3] = -7.5;
    weights[format.block + 5] = 9.25;
    const back = dequantizeRows(quantizeRows(weights, 1, weights.length, format), 1, weights.length, format);
    expect(back[3]).toBe(-7.5);
    expect(back[format.block + 5]).toBe(9.25);
  });

  it('fills the last block of a row up with zeros and keeps zeros zero', () => {
    const columns = format.block + 1;
    const { values, scales } = quantizeRows(new Float32Array(columns), 1, columns, format);
    const zero = format.bits === 8 ? 0x80 : 0x88;
    expect(values).toEqual(new Uint8Array((2 * format.block * format.bits) / 8).fill(zero));
    expect(scales).toEqual(Float32Array.of(0, 0));
    const one = new Float32Array(columns).fill(1);
    const rest = quantizeRows(one, 1, columns, format).values.slice((format.block * format.bits) / 8 + 1);
    expect(rest).toEqual(new Uint8Array(rest.length).fill(zero));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('is refused with a weight that is %s', (bad) => {
    const weights = new Float32Array(200);
    weights[150] = bad;
    expect(() => quantizeRows(weights, 1, 200, format)).toThrow('not finite');
  });
});

describe('weights of half the width', () => {
  it('are widened exactly', () => {
    const brain = new Uint8Array(Uint16Array.of(0x3f80, 0xc020, 0x0000).buffer);
    expect([...widen(brain, 'BF16')]).toEqual([1, -2.5, 0]);
    const half = new Uint8Array(Uint16Array.of(0x3c00, 0xc100, 0x0001, 0x7bff).buffer);
    expect([...widen(half, 'F16')]).toEqual([1, -2.5, 2 ** -24, 65504]);
  });
});
