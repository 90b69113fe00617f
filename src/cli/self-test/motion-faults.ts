import { Trace } from '../../control/trace-reader.ts';
import { exceeds, summarise } from '../../control/trace-summary.ts';

/** Third differences amplify the rounding of a pose by 1 / period^3, which this covers. */
const ROUNDING = 1e-3;

export interface MotionProof {
  readonly ticks: number;
  /** Where the commanded motion broke a limit or jumped, in sentences. Empty when it never did. */
  readonly faults: readonly string[];
}

/** Checks every traced tick: commanded velocity, acceleration and jerk within limits, no jump of the pose. */
export function proveMotion(path: string): MotionProof {
  const summary = summarise(Trace.open(path));
  const faults = summary.joints.flatMap(({ joint, velocity, acceleration, jerk }) =>
    Object.entries({ velocity, acceleration, jerk })
      .filter(([, extreme]) => exceeds(extreme, ROUNDING))
      .map(([what, { most, limit }]) => `${what} of ${joint} was ${most}, the limit is ${limit}`),
  );
  for (const { atS, joint, distance } of summary.jumps) {
    faults.push(`${joint} jumped by ${distance} at ${atS.toFixed(3)} s`);
  }
  return { ticks: summary.ticks, faults };
}
