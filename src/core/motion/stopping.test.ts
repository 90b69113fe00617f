import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brakingPosition, brakingTime, highestPosition, lowestPosition, stopPosition } from './stopping.ts';

const A = 14;
const J = 450;
const velocity = fc.double({ min: -5, max: 5, noNaN: true });
const acceleration = fc.double({ min: -15, max: 15, noNaN: true });
const small = fc.double({ min: 0, max: 0.1, noNaN: true });

describe('stopping', () => {
  it('ends further up the more a joint is ahead, fast or speeding up', () => {
    fc.assert(
      fc.property(velocity, acceleration, small, (v, a, d) => {
        const end = stopPosition(0, v, a, A, J) - 1e-9;
        expect(stopPosition(d, v, a, A, J)).toBeGreaterThanOrEqual(end);
        expect(stopPosition(0, v + d, a, A, J)).toBeGreaterThanOrEqual(end);
        expect(stopPosition(0, v, a + d, A, J)).toBeGreaterThanOrEqual(end);
      }),
    );
  });

  it('goes a way that is smooth, lies between the extremes it is said to have, and ends at rest', () => {
    fc.assert(
      fc.property(velocity, acceleration, (v, a) => {
        const T = brakingTime(v, a, A, J);
        fc.pre(T > 1e-6);
        const at = (t: number) => brakingPosition(0, v, a, A, J, t);
        expect(at(T)).toBeCloseTo(stopPosition(0, v, a, A, J), 9);
        const [high, low] = [highestPosition(0, v, a, A, J), lowestPosition(0, v, a, A, J)];
        const h = T / 400;
        let [before, speed] = [0, v];
        for (let k = 1; k <= 400; k++) {
          const p = at(k * h);
          expect(p).toBeLessThanOrEqual(high + 1e-9);
          expect(p).toBeGreaterThanOrEqual(low - 1e-9);
          expect(Math.abs((p - before) / h - speed)).toBeLessThan(20 * h);
          speed = (p - before) / h;
          before = p;
        }
        expect(Math.abs(speed)).toBeLessThan(20 * h);
      }),
    );
  });
});
