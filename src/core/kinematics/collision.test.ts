import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CollisionModel, segmentDistance as distanceInto } from './collision.ts';
import { sampleArm } from './sample-arms.ts';

const segment = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 });

/** Distance by trying many points on both segments. */
function bruteForce(p: number[], q: number[], steps: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= steps; i++) {
    for (let k = 0; k <= steps; k++) {
      const d = [0, 1, 2].map((c) => {
        const a = p[c]! + ((p[c + 3]! - p[c]!) * i) / steps;
        return a - (q[c]! + ((q[c + 3]! - q[c]!) * k) / steps);
      });
      best = Math.min(best, Math.hypot(...d));
    }
  }
  return best;
}

const segmentDistance = (p: ArrayLike<number>, i: number, q: ArrayLike<number>, k: number): number => {
  const out = new Float64Array(1);
  distanceInto(Float64Array.from(p), i, Float64Array.from(q), k, out);
  return out[0]!;
};

/** Segments within a millionth of a radian count as parallel; over the lengths here that is less than this, m. */
const PARALLEL_M = 5e-6;

describe('the distance between two segments', () => {
  it('is that of crossing, parallel and touching sticks', () => {
    const along = [0, 0, 0, 1, 0, 0];
    expect(segmentDistance(along, 0, [0.5, -1, 0.3, 0.5, 1, 0.3], 0)).toBeCloseTo(0.3, 12);
    expect(segmentDistance(along, 0, [0.2, 0.4, 0, 0.9, 0.4, 0], 0)).toBeCloseTo(0.4, 12);
    expect(segmentDistance(along, 0, [1, 0, 0, 2, 5, 0], 0)).toBe(0);
    expect(segmentDistance(along, 0, [3, 0, 4, 3, 0, 9], 0)).toBeCloseTo(Math.hypot(2, 4), 12);
  });

  it('is that of points, when segments have no length', () => {
    expect(segmentDistance([0, 0, 0, 0, 0, 0], 0, [1, 2, 2, 1, 2, 2], 0)).toBeCloseTo(3, 12);
    expect(segmentDistance([0, 1, 0, 0, 1, 0], 0, [-1, 0, 0, 1, 0, 0], 0)).toBeCloseTo(1, 12);
  });

  it('agrees with trying every pair of points', () => {
    fc.assert(
      fc.property(segment, segment, (p, q) => {
        const exact = segmentDistance(p, 0, q, 0);
        const tried = bruteForce(p, q, 60);
        expect(exact).toBeLessThanOrEqual(tried + PARALLEL_M);
        // A step of the search is at most 2 * sqrt(3) / 60 long on each segment.
        expect(exact).toBeGreaterThanOrEqual(tried - 0.06);
        expect(Math.abs(segmentDistance(q, 0, p, 0) - exact)).toBeLessThanOrEqual(PARALLEL_M);
      }),
      { numRuns: 60 },
    );
  });
});

describe('an arm of capsules', () => {
  const stick = [{ a: [0, 0, 0], b: [1, 0, 0], radiusM: 0.1 }] as const;
  const threeSticks = () =>
    sampleArm([
      { axis: [0, 1, 0], position: [0, 0, 1], capsules: stick },
      { axis: [0, 1, 0], position: [1, 0, 0], capsules: stick },
      { axis: [0, 1, 0], position: [1, 0, 0], capsules: stick },
    ]);

  it('sees a stick come near the one before its neighbour, and names both', () => {
    const arm = threeSticks();
    const body = new CollisionModel(arm, [0, 0, 0]);
    expect(body.pairCount).toBe(1);
    expect(body.selfDistance([0, 0, 0]).distanceM).toBeCloseTo(0.8, 9);
    // Folded twice by a right angle, stick 3 runs back 1 m above stick 1.
    const folded = body.selfDistance([0, -Math.PI / 2, -Math.PI / 2]);
    expect(folded.distanceM).toBeCloseTo(0.8, 9);
    const triangle = body.selfDistance([0, (-2 * Math.PI) / 3, (-2 * Math.PI) / 3]);
    expect(triangle.distanceM).toBeLessThan(0);
    expect([triangle.linkA, triangle.linkB]).toEqual([arm.linkIndex('link1'), arm.linkIndex('link3')]);
  });

  it('finds the lowest part, its roundness included', () => {
    const body = new CollisionModel(threeSticks(), [0, 0, 0]);
    expect(body.lowestZ([0, 0, 0])).toBeCloseTo(0.9, 9);
    expect(body.lowestZ([Math.PI / 2, 0, 0])).toBeCloseTo(1 - 3 - 0.1, 9);
  });

  it('leaves out pairs that overlap at rest, and says which', () => {
    const body = new CollisionModel(threeSticks(), [0, (-2 * Math.PI) / 3, (-2 * Math.PI) / 3]);
    expect(body.skipped).toEqual(['link1 and link3']);
    expect(body.selfDistance([0, 0, 0]).distanceM).toBe(Number.POSITIVE_INFINITY);
  });
});
