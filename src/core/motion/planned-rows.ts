import type { MotionLimits } from './jerk-limiter.ts';
import { PEAK_ACCELERATION, PEAK_JERK, PEAK_VELOCITY } from './minimum-jerk.ts';

/** Rows of a chunk and the time between them. */
export interface PlannedRows {
  readonly rows: readonly (readonly number[])[];
  readonly periodS: number;
}

/** Part of the limits of velocity, acceleration and jerk that a move uses: the rest is for going along its rows. */
export const MOVE_SHARE = 0.8;
/** The longest move of one chunk, s. */
export const LONGEST_MOVE_S = 127;
const ROW_PERIOD_S = 0.02;
const MOST_INTERVALS = 127;

/** The least time that a move from rest to rest may take, s; its slowest joint decides. */
export function shortestDurationS(
  start: ArrayLike<number>,
  target: ArrayLike<number>,
  { velocityMax, accelerationMax, jerkMax }: MotionLimits,
): number {
  let durationS = 0;
  for (let i = 0; i < start.length; i++) {
    const distance = Math.abs(target[i]! - start[i]!);
    if (distance === 0) continue;
    durationS = Math.max(
      durationS,
      (PEAK_VELOCITY * distance) / (MOVE_SHARE * velocityMax[i]!),
      Math.sqrt((PEAK_ACCELERATION * distance) / (MOVE_SHARE * accelerationMax[i]!)),
      Math.cbrt((PEAK_JERK * distance) / (MOVE_SHARE * jerkMax[i]!)),
    );
  }
  return durationS;
}

/**
 * A move from rest to rest with the least jerk over its length, in rows. The last row is exactly `target`. A duration
 * that the limits do not allow becomes the shortest they do; without one it is that. Python and C++ plan the same.
 * @throws RangeError when it takes longer than {@link LONGEST_MOVE_S}
 */
export function minimumJerkRows(
  start: readonly number[],
  target: readonly number[],
  limits: MotionLimits,
  atLeastS = 0,
): PlannedRows {
  const shortestS = shortestDurationS(start, target, limits);
  const durationS = Math.max(shortestS, atLeastS || 0);
  if (!(durationS <= LONGEST_MOVE_S)) {
    throw new RangeError(`a move takes at most ${LONGEST_MOVE_S} s, not ${durationS.toFixed(1)} s`);
  }
  const { intervals, periodS } = grid(durationS);
  const rows = Array.from({ length: intervals }, (_, k) => {
    const s = k / intervals;
    const along = s * s * s * (10 + s * (6 * s - 15));
    return start.map((from, i) => from + along * (target[i]! - from));
  });
  return { rows: [...rows, [...target]], periodS };
}

/** Rows that bring a moving arm to rest, inside of its joint ranges. */
export function brakeRows(
  position: readonly number[],
  velocity: readonly number[],
  { accelerationMax, jerkMax, positionMin, positionMax }: MotionLimits,
): PlannedRows {
  let durationS = 0;
  for (const [i, v] of velocity.entries()) {
    if (v === 0) continue;
    durationS = Math.max(
      durationS,
      (1.5 * Math.abs(v)) / (MOVE_SHARE * accelerationMax[i]!),
      Math.sqrt((6 * Math.abs(v)) / (MOVE_SHARE * jerkMax[i]!)),
    );
  }
  const { intervals, periodS } = grid(durationS);
  const rows = Array.from({ length: intervals + 1 }, (_, k) => {
    const s = k / intervals;
    // The velocity falls along 1 - 3s^2 + 2s^3.
    const share = durationS * (s - s ** 3 + s ** 4 / 2);
    return position.map((p, i) =>
      Math.min(Math.max(p + share * velocity[i]!, positionMin[i]!), positionMax[i]!),
    );
  });
  return { rows, periodS };
}

function grid(durationS: number): { intervals: number; periodS: number } {
  const intervals = Math.min(Math.max(Math.ceil(durationS / ROW_PERIOD_S), 1), MOST_INTERVALS);
  return { intervals, periodS: Math.max(durationS, ROW_PERIOD_S) / intervals };
}
