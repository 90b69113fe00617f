/** One benchmark's result: a table with what it took to make it. Printed by the command and kept in the docs. */
export interface BenchTable {
  readonly title: string;
  /** The command that makes this table again. */
  readonly command: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** One sentence each: conditions, what was missed, what could not be measured here and why. */
  readonly notes: readonly string[];
}

/** The value below which `share` (0 to 1) of the sorted values lie; NaN for no values. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
