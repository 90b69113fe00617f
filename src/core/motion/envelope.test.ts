import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Envelope, type Shape } from './envelope.ts';
import { JerkLimiter } from './jerk-limiter.ts';

/** A point whose height is its first coordinate, beside a wall: the second coordinate is its distance. */
const POINT: Shape = {
  selfDistance: (q) => ({ distanceM: q[1]! }),
  lowestZ: (q) => q[0]!,
};
const LIMITS = {
  positionMin: [-2, -2],
  positionMax: [2, 2],
  velocityMax: [3, 3],
  accelerationMax: [15, 15],
  jerkMax: [500, 500],
};
const coordinate = fc.double({ min: -2, max: 2, noNaN: true });

/** Whether the step went through as it was wanted. */
function move(envelope: Envelope, limiter: JerkLimiter, target: number[]): boolean {
  envelope.guide(limiter, target, [0, 0]);
  limiter.accept();
  return !envelope.held;
}

describe('the envelope', () => {
  it('keeps an arm that starts free out of the table and itself, whatever it is told', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(coordinate, coordinate, fc.integer({ min: 1, max: 200 })), { maxLength: 10 }),
        (moves) => {
          const envelope = new Envelope(POINT, 2, { tablePlaneZ: 0.1, selfMarginM: 0.05 });
          const limiter = new JerkLimiter(LIMITS, 0.002);
          limiter.reset([1, 1]);
          envelope.reset([1, 1]);
          for (const [x, y, ticks] of moves) {
            for (let k = 0; k < ticks; k++) {
              move(envelope, limiter, [x, y]);
              // Braking is carried out in time steps; it ends within micrometres of where it was said to.
              expect(envelope.clearance(limiter.position)).toBeGreaterThan(-1e-4);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('lets an arm found in violation move only to where there is more room', () => {
    const envelope = new Envelope(POINT, 2, { tablePlaneZ: 0.1, selfMarginM: 0.05 });
    const limiter = new JerkLimiter(LIMITS, 0.002);
    limiter.reset([-0.3, 1]);
    envelope.reset([-0.3, 1]);
    expect(move(envelope, limiter, [-1, 1])).toBe(false);
    expect(limiter.atRest).toBe(true);
    let lowest = 0;
    for (let k = 0; k < 1000; k++) {
      expect(move(envelope, limiter, [0.5, 1])).toBe(true);
      lowest = Math.min(lowest, limiter.position[0]!);
    }
    expect(limiter.position[0]).toBeCloseTo(0.5, 4);
    expect(lowest).toBeGreaterThanOrEqual(-0.3);
  });

  it('holds only the joints that would enter, and lets the others go on', () => {
    const envelope = new Envelope(POINT, 2, { tablePlaneZ: 0.1, selfMarginM: 0.05 });
    const limiter = new JerkLimiter(LIMITS, 0.002);
    limiter.reset([1, 1]);
    envelope.reset([1, 1]);
    for (let k = 0; k < 1500; k++) move(envelope, limiter, [-1, 2]);
    expect(limiter.position[0]).toBeCloseTo(0.1, 2);
    expect(limiter.position[1]).toBeCloseTo(2, 3);
    expect(envelope.held).toBe(true);
  });

  it('knows no table when there is none', () => {
    const envelope = new Envelope(POINT, 2, { tablePlaneZ: Number.NaN, selfMarginM: 0 });
    expect(envelope.clearance([-9, 0.4])).toBe(0.4);
  });
});
