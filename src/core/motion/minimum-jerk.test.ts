import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { motionExtremes } from './finite-differences.ts';
import type { MotionLimits } from './jerk-limiter.ts';
import { MinimumJerkMove } from './minimum-jerk.ts';

const LIMITS: MotionLimits = {
  positionMin: [-3, 0],
  positionMax: [3, 0.088],
  velocityMax: [5, 0.3],
  accelerationMax: [15, 3],
  jerkMax: [500, 100],
};
const poses = fc.tuple(
  fc.double({ min: -3, max: 3, noNaN: true }),
  fc.double({ min: 0, max: 0.088, noNaN: true }),
);

describe('a minimum-jerk move', () => {
  it('keeps to its share of every limit and uses one of them fully', () => {
    fc.assert(
      fc.property(poses, poses, fc.double({ min: 0.1, max: 1, noNaN: true }), (from, to, share) => {
        fc.pre(Math.abs(to[0] - from[0]) > 0.01);
        const move = new MinimumJerkMove(LIMITS, share);
        move.plan(from, to);
        const dtS = move.durationS / 1000;
        const [p, v] = [new Float64Array(2), new Float64Array(2)];
        const paths: number[][] = [[], []];
        for (let k = -2; k < 1003; k++) {
          move.sample(k * dtS, p, v);
          for (const [joint, path] of paths.entries()) path.push(p[joint]!);
        }
        let most = 0;
        paths.forEach((path, joint) => {
          const { velocity, acceleration, jerk } = motionExtremes(path, LIMITS, joint, dtS);
          most = Math.max(most, velocity, acceleration, jerk);
        });
        expect(most).toBeLessThan(share * 1.001);
        expect(most).toBeGreaterThan(share * 0.98);
      }),
    );
  });

  it('starts and ends at rest at its ends, and its velocity is the slope of its path', () => {
    const move = new MinimumJerkMove(LIMITS, 0.5);
    move.plan([-1, 0.01], [2, 0.08]);
    const [p, v, q] = [new Float64Array(2), new Float64Array(2), new Float64Array(2)];
    move.sample(-1, p, v);
    expect([...p, ...v]).toEqual([-1, 0.01, 0, 0]);
    move.sample(99, p, v);
    expect(p[0]).toBeCloseTo(2, 12);
    expect(v[0]).toBe(0);
    for (let t = 0.05; t < move.durationS; t += 0.05) {
      move.sample(t + 1e-6, q, v);
      const ahead = q[0]!;
      move.sample(t, p, v);
      expect(v[0]).toBeCloseTo((ahead - p[0]!) / 1e-6, 3);
    }
  });

  it('is over at once when there is nowhere to go', () => {
    const move = new MinimumJerkMove(LIMITS, 0.5);
    move.plan([1, 0], [1, 0]);
    expect(move.durationS).toBe(0);
    const [p, v] = [new Float64Array(2), new Float64Array(2)];
    move.sample(0, p, v);
    expect([...p, ...v]).toEqual([1, 0, 0, 0]);
  });
});
