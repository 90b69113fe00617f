/** What a sequence of poses did, by finite differences: the largest of each, as a share of its limit. For tests. */

import type { MotionLimits } from './jerk-limiter.ts';

export interface MotionExtremes {
  /** Largest |p[k+1] - p[k]| / dt over the velocity limit. */
  readonly velocity: number;
  /** Largest |p[k+2] - 2p[k+1] + p[k]| / dt^2 over the acceleration limit. */
  readonly acceleration: number;
  /** Largest |p[k+3] - 3p[k+2] + 3p[k+1] - p[k]| / dt^3 over the jerk limit. */
  readonly jerk: number;
  /** How far the range was left, rad or m; 0 or less when it was not. */
  readonly outside: number;
}

/** Looks at one joint's positions, `dtS` apart. */
export function motionExtremes(
  positions: ArrayLike<number>,
  limits: MotionLimits,
  joint: number,
  dtS: number,
): MotionExtremes {
  let velocity = 0;
  let acceleration = 0;
  let jerk = 0;
  let outside = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < positions.length; k++) {
    const p0 = positions[k]!;
    outside = Math.max(outside, p0 - limits.positionMax[joint]!, limits.positionMin[joint]! - p0);
    if (k < 1) continue;
    const p1 = positions[k - 1]!;
    velocity = Math.max(velocity, Math.abs(p0 - p1) / dtS);
    if (k < 2) continue;
    const p2 = positions[k - 2]!;
    acceleration = Math.max(acceleration, Math.abs(p0 - 2 * p1 + p2) / dtS ** 2);
    if (k < 3) continue;
    jerk = Math.max(jerk, Math.abs(p0 - 3 * p1 + 3 * p2 - positions[k - 3]!) / dtS ** 3);
  }
  return {
    velocity: velocity / limits.velocityMax[joint]!,
    acceleration: acceleration / limits.accelerationMax[joint]!,
    jerk: jerk / limits.jerkMax[joint]!,
    outside,
  };
}
