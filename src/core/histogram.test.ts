import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketEdgeUs, bucketOf, histogramPercentileUs } from './histogram.ts';

describe('a duration histogram', () => {
  it('puts every duration below the edge of its bucket and not below the one before', () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 5e7, noNaN: true }), (ns) => {
        const bucket = bucketOf(ns, 64);
        if (bucket < 63) expect(ns / 1000).toBeLessThanOrEqual(bucketEdgeUs(bucket) * (1 + 1e-12));
        if (bucket > 0) expect(ns / 1000).toBeGreaterThanOrEqual(bucketEdgeUs(bucket - 1) * (1 - 1e-12));
      }),
    );
  });

  it.each([Number.NaN, -5, 0, 999])('counts %d ns in the first bucket', (ns) => {
    expect(bucketOf(ns, 64)).toBe(0);
  });

  it.each([1e12, Number.POSITIVE_INFINITY])('counts %d ns in the last bucket', (ns) => {
    expect(bucketOf(ns, 64)).toBe(63);
  });

  it('reads percentiles back to within a bucket', () => {
    const histogram = new Uint32Array(64);
    for (let us = 1; us <= 1000; us++) histogram[bucketOf(us * 1000, 64)]! += 1;
    for (const [share, us] of [
      [0.5, 500],
      [0.99, 990],
      [1, 1000],
    ] as const) {
      const read = histogramPercentileUs(histogram, share);
      expect(read).toBeGreaterThanOrEqual(us);
      expect(read).toBeLessThan(us * 1.2);
    }
  });

  it('has no percentile without values', () => {
    expect(histogramPercentileUs(new Uint32Array(64), 0.5)).toBeNaN();
  });
});
