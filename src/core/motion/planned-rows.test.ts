import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brakeRows, minimumJerkRows, type PlannedRows, shortestDurationS } from './planned-rows.ts';

const limits = {
  positionMin: [-3.14, -0.05, -2, 0],
  positionMax: [2.6, 3.5, 2, 0.088],
  velocityMax: [5, 5, 5, 0.3],
  accelerationMax: [15, 15, 25, 3],
  jerkMax: [500, 500, 800, 100],
};
const inside = fc.tuple(
  ...limits.positionMin.map((min, i) =>
    // Plus 0, as a zero below zero is the same pose.
    fc.double({ min, max: limits.positionMax[i] as number, noNaN: true }).map((value) => value + 0),
  ),
) as fc.Arbitrary<number[]>;

/** Largest differences of first, second and third order, as shares of the limits. */
function shares({ rows, periodS }: PlannedRows): number[] {
  const most = [0, 0, 0];
  limits.velocityMax.forEach((_, joint) => {
    let values = rows.map((row) => row[joint] as number);
    const bounds = [limits.velocityMax, limits.accelerationMax, limits.jerkMax];
    bounds.forEach((bound, order) => {
      values = values.slice(1).map((value, k) => (value - (values[k] as number)) / periodS);
      for (const value of values) {
        most[order] = Math.max(most[order] as number, Math.abs(value) / (bound[joint] as number));
      }
    });
  });
  return most;
}

/** Differences of rounded poses: an error of 1e-15 in a row is one of 1e-9 in the jerk. */
const ROUNDING = 1e-6;

describe('the rows of a move', () => {
  it('keep velocity, acceleration and jerk within limits, begin at the start and end exactly at the target', () => {
    fc.assert(
      fc.property(inside, inside, fc.double({ min: 0, max: 30, noNaN: true }), (start, target, seconds) => {
        const planned = minimumJerkRows(start, target, limits, seconds);
        for (const share of shares(planned)) expect(share).toBeLessThanOrEqual(1 + ROUNDING);
        expect(planned.rows[0]).toEqual(start);
        expect(planned.rows.at(-1)).toEqual(target);
        expect(planned.rows.length).toBeLessThanOrEqual(128);
        const tookS = (planned.rows.length - 1) * planned.periodS;
        expect(tookS).toBeGreaterThanOrEqual(seconds - 1e-9);
        expect(tookS).toBeGreaterThanOrEqual(shortestDurationS(start, target, limits) - 1e-9);
      }),
    );
  });

  it('take as long as was asked for where the limits allow, and no longer than they need otherwise', () => {
    const [start, target] = [
      [0, 0, 0, 0],
      [1, 0, 0, 0],
    ];
    const tookS = (seconds?: number) => {
      const { rows, periodS } = minimumJerkRows(start as number[], target as number[], limits, seconds);
      return (rows.length - 1) * periodS;
    };
    expect(tookS(3)).toBeCloseTo(3, 12);
    expect(tookS()).toBeCloseTo(shortestDurationS(start as number[], target as number[], limits), 12);
    for (const odd of [0.01, -1, Number.NaN]) expect(tookS(odd)).toBe(tookS());
    expect(() => tookS(128)).toThrow('at most 127 s');
    expect(() => tookS(Number.POSITIVE_INFINITY)).toThrow('at most 127 s');
  });

  it('of a stop begin with the velocity there is and end at rest, within limits and ranges', () => {
    const speeds = fc.tuple(
      ...limits.velocityMax.map((v) => fc.double({ min: -v, max: v, noNaN: true })),
    ) as fc.Arbitrary<number[]>;
    fc.assert(
      fc.property(inside, speeds, (position, velocity) => {
        const planned = brakeRows(position, velocity, limits);
        const { rows } = planned;
        rows.forEach((row) => {
          row.forEach((value, i) => {
            expect(value).toBeGreaterThanOrEqual(limits.positionMin[i] as number);
            expect(value).toBeLessThanOrEqual(limits.positionMax[i] as number);
          });
        });
        expect(rows[0]).toEqual(position);
        // In the middle of its range no edge bends it.
        const middle = brakeRows(
          [0, 1.7, 0, 0.04],
          velocity.map((v) => v / 20),
          limits,
        );
        for (const share of shares(middle)) expect(share).toBeLessThanOrEqual(1 + ROUNDING);
      }),
    );
    expect(brakeRows([0, 0, 0, 0], [0, 0, 0, 0], limits).rows).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
  });
});
