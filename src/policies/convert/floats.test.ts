import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromF16 } from '../safetensors.ts';
import { narrow, toF16 } from './floats.ts';

const half = (value: number): number => toF16(Float32Array.of(value))[0] as number;

describe('float32 as half precision', () => {
  it('keeps every half as it is', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = fromF16(bits);
      if (!Number.isNaN(value)) expect(half(value)).toBe(bits);
    }
    expect(fromF16(half(Number.NaN))).toBeNaN();
  });

  it('takes the nearest half, and the even one of two that are equally near', () => {
    const positive = fc.float({ min: 0, max: 65504, noNaN: true });
    fc.assert(
      fc.property(positive, (value) => {
        const bits = half(value);
        const distance = (other: number) => Math.abs(fromF16(other) - value);
        for (const neighbour of [bits - 1, bits + 1].filter((each) => each >= 0 && each <= 0x7bff)) {
          expect(distance(bits)).toBeLessThanOrEqual(distance(neighbour));
          if (distance(bits) === distance(neighbour)) expect(bits % 2).toBe(0);
        }
        expect(half(-value)).toBe(bits | 0x8000);
      }),
      { numRuns: 2000 },
    );
    expect([half(2 ** -25), half(2 ** -25 * 1.0001), half(2 ** -26)]).toEqual([0, 1, 0]);
    expect([half(65519), half(65520), half(1e30)]).toEqual([0x7bff, 0x7c00, 0x7c00]);
  });

  it('is written little end first', () => {
    expect([...narrow(Float32Array.of(1.5), 'F16')]).toEqual([0x00, 0x3e]);
    expect([...narrow(Float32Array.of(1.5), 'BF16')]).toEqual([0xc0, 0x3f]);
    expect([...narrow(Float32Array.of(1.5), 'F32')]).toEqual([0, 0, 0xc0, 0x3f]);
  });
});
