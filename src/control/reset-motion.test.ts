import { describe, expect, it } from 'vitest';
import { Envelope, type Shape } from '../core/motion/envelope.ts';
import { ResetMotion, ResetPhase, type ResetPhaseCode } from './reset-motion.ts';

const LIMITS = {
  positionMin: [-2, -2, 0],
  positionMax: [2, 2, 0.1],
  velocityMax: [5, 5, 0.3],
  accelerationMax: [15, 15, 3],
  jerkMax: [500, 500, 100],
};
const HOME = [0, 0, 0.1];

/** A point in a plane with a round post in it. */
const post = (x: number, y: number, radius: number): Shape => ({
  selfDistance: (q) => ({ distanceM: Math.hypot(q[0]! - x, q[1]! - y) - radius }),
  lowestZ: () => 1,
});

function reset(
  shape: Shape,
  from: number[],
): { phase: ResetPhaseCode; least: number; end: number[]; seconds: number } {
  const envelope = new Envelope(shape, 3, { tablePlaneZ: 0, selfMarginM: 0 });
  const motion = new ResetMotion(LIMITS, 2, HOME, envelope);
  motion.begin(from);
  const position = Float64Array.from(from);
  const velocity = new Float64Array(3);
  let least = Number.POSITIVE_INFINITY;
  let k = 0;
  while (motion.phase !== ResetPhase.DONE && motion.phase !== ResetPhase.BLOCKED && k++ < 5000) {
    motion.step(k * 2e6, position, velocity);
    if (motion.phase === ResetPhase.MOVING) least = Math.min(least, envelope.clearance(position));
  }
  motion.step(k * 2e6, position, velocity);
  return { phase: motion.phase, least, end: [...position], seconds: k * 0.002 };
}

describe('the way home', () => {
  it('is straight when that is free, and leaves the gripper as it is', () => {
    const { phase, end, seconds } = reset(post(-1, -1, 0.1), [1, 1, 0.03]);
    expect(phase).toBe(ResetPhase.DONE);
    expect(end).toEqual([0, 0, 0.03]);
    expect(seconds).toBeLessThan(1.5);
  });

  it('goes round what stands on the straight one', () => {
    const { phase, least, end } = reset(post(0.5, 0.5, 0.3), [1, 1, 0.03]);
    expect(phase).toBe(ResetPhase.DONE);
    expect(least).toBeGreaterThanOrEqual(0);
    expect(end).toEqual([0, 0, 0.03]);
  });

  it('leads out of a violation, but not deeper into it', () => {
    expect(reset(post(1.1, 1.1, 0.3), [1, 1, 0.03]).phase).toBe(ResetPhase.DONE);
    expect(reset(post(0.9, 0.9, 0.3), [1, 1, 0.03]).phase).toBe(ResetPhase.BLOCKED);
  });

  it('is refused when there is none', () => {
    expect(reset(post(0, 0, 0.2), [1, 1, 0.03]).phase).toBe(ResetPhase.BLOCKED);
  });
});
