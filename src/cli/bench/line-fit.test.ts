import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitLine } from './line-fit.ts';

describe('the line through latencies', () => {
  it('is the one that points lie on', () => {
    const number = fc.integer({ min: -1000, max: 1000 });
    const places = fc.uniqueArray(number, { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(number, number, places, (intercept, slope, xs) => {
        const line = fitLine(xs.map((x) => [x, intercept + slope * x] as const));
        expect(line?.slope).toBeCloseTo(slope, 6);
        expect(line?.intercept).toBeCloseTo(intercept, 3);
        expect(line?.departure).toBeCloseTo(0, 3);
      }),
    );
  });

  it('lies between points that make none, and says how far off they are', () => {
    expect(
      fitLine([
        [0, 0],
        [1, 3],
        [2, 0],
      ]),
    ).toEqual({ intercept: 1, slope: 0, departure: 2 });
  });

  it('is none through points at one place', () => {
    expect(
      fitLine([
        [5, 1],
        [5, 2],
      ]),
    ).toBeUndefined();
    expect(fitLine([])).toBeUndefined();
  });
});
