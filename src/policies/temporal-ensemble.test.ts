import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TemporalEnsemble } from './temporal-ensemble.ts';

const ROWS = 4;

/** The mean by definition: every prediction made for a step, the oldest weighing most when the coefficient is positive. */
function direct(predictions: readonly number[][], step: number, coefficient: number): number {
  const forStep = predictions.flatMap((rows, made) => {
    const value = rows[step - made];
    return value === undefined ? [] : [value];
  });
  const weights = forStep.map((_, i) => Math.exp(-coefficient * i));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return forStep.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0) / total;
}

describe('the temporal ensemble', () => {
  it('is the weighted mean of all that was predicted for a step', () => {
    const row = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: ROWS, maxLength: ROWS });
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 12 }),
        fc.double({ min: -1, max: 1, noNaN: true }),
        (rows, c) => {
          const ensemble = new TemporalEnsemble(c, ROWS, 1);
          rows.forEach((prediction, step) => {
            const mean = ensemble.update(prediction, step);
            for (let ahead = 0; ahead < ROWS; ahead++) {
              expect(mean[ahead]).toBeCloseTo(direct(rows.slice(0, step + 1), step + ahead, c), 9);
            }
          });
        },
      ),
    );
  });

  it('forgets the steps that passed between two calls', () => {
    const ensemble = new TemporalEnsemble(0, ROWS, 1);
    ensemble.update([0, 1, 2, 3], 0);
    expect([...ensemble.update([10, 10, 10, 10], 2)]).toEqual([6, 6.5, 10, 10]);
    expect([...ensemble.update([1, 1, 1, 1], 50)]).toEqual([1, 1, 1, 1]);
  });

  it('starts anew after a reset, and when time goes back', () => {
    const ensemble = new TemporalEnsemble(0.01, ROWS, 1);
    ensemble.update([9, 9, 9, 9], 5);
    expect([...ensemble.update([1, 2, 3, 4], 3)]).toEqual([1, 2, 3, 4]);
    ensemble.reset();
    expect([...ensemble.update([5, 6, 7, 8], 4)]).toEqual([5, 6, 7, 8]);
  });

  it('stays finite when it is asked again and again for the same step', () => {
    const ensemble = new TemporalEnsemble(0, 2, 1);
    for (let i = 0; i < 10; i++) ensemble.update([1, 3], 0);
    expect([...ensemble.update([1, 3], 0)]).toEqual([1, 3]);
  });
});
