import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resizeWeights } from './resize.ts';

const row = (from: number, to: number, index: number) =>
  [...resizeWeights(from, to).subarray(index * from, (index + 1) * from)].map((share) =>
    Number(share.toFixed(5)),
  );

describe('the weights that resize a row of pixels', () => {
  it('interpolate between two when there become more', () => {
    expect(row(2, 4, 0)).toEqual([1, 0]);
    expect(row(2, 4, 1)).toEqual([0.75, 0.25]);
    expect(row(2, 4, 2)).toEqual([0.25, 0.75]);
  });

  it('take in all that a pixel covers when there become fewer', () => {
    expect(row(8, 4, 1)).toEqual([0, 0.125, 0.375, 0.375, 0.125, 0, 0, 0]);
  });

  it('leave a row as it is when nothing changes, and an even one even', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }), (from, to) => {
        const weights = resizeWeights(from, to);
        for (let i = 0; i < to; i++) {
          const shares = weights.subarray(i * from, (i + 1) * from);
          expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
          if (from === to) expect(shares[i]).toBe(1);
        }
      }),
    );
  });
});
