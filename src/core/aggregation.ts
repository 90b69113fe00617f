/**
 * How a queued action and a newer one for the same policy step become one. The names and weights are LeRobot's
 * (`async_inference`, registry of aggregate functions), so a setting that works there works here.
 */
export const AGGREGATE_WEIGHTS = {
  /** 0.3 old + 0.7 new. */
  weighted_average: 0.7,
  latest_only: 1,
  average: 0.5,
  /** 0.7 old + 0.3 new. */
  conservative: 0.3,
} as const;
export type AggregateName = keyof typeof AGGREGATE_WEIGHTS;
export const AGGREGATE_NAMES = Object.keys(AGGREGATE_WEIGHTS) as AggregateName[];

/** `old + weight * (new - old)`, exact at both ends so that `latest_only` is the new action to the last bit. */
export const aggregate = (weight: number, older: number, newer: number): number =>
  weight === 1 ? newer : (1 - weight) * older + weight * newer;
