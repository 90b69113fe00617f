import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyWindow } from './load-report.ts';

describe('the window of latencies', () => {
  it('has no percentile before the first', () => {
    expect(new LatencyWindow().percentile(0.5)).toBeUndefined();
  });

  it('tells the smallest latency that the share does not exceed, of the newest ones', () => {
    const finite = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(finite, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0.5, 0.9, 0.99, 1),
        (values, share) => {
          const window = new LatencyWindow(20);
          for (const value of values) window.add(value);
          const newest = values.slice(-20).sort((a, b) => a - b);
          expect(window.percentile(share)).toBe(newest[Math.ceil(share * newest.length) - 1]);
          expect(window.count).toBe(values.length);
        },
      ),
    );
  });
});
