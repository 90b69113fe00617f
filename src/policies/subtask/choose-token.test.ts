import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { greedyToken, sampleToken } from './choose-token.ts';

const logits = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 50 });

describe('choosing a token', () => {
  it('takes the largest logit, the first of equals', () => {
    expect(greedyToken([1, 3, 3, 2])).toBe(1);
    expect(sampleToken([1, 3, 3, 2], 0, () => 0.99)).toBe(1);
  });

  it('draws each token as often as softmax says', () => {
    const [weights, draws] = [[1, 2, 5], 4000];
    const counts = [0, 0, 0];
    for (let i = 0; i < draws; i++) {
      const id = sampleToken(
        weights.map((weight) => 0.5 * Math.log(weight)),
        0.5,
        () => (i + 0.5) / draws,
      );
      counts[id] = (counts[id] ?? 0) + 1;
    }
    expect(counts).toEqual([500, 1000, 2500]);
  });

  it('always answers a token of the vocabulary', () => {
    fc.assert(
      fc.property(
        logits,
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (values, temperature, draw) => {
          const id = sampleToken(values, temperature, () => draw);
          expect(Number.isInteger(id) && id >= 0 && id < values.length).toBe(true);
        },
      ),
    );
  });
});
