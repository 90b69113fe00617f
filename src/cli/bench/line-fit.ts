export interface Line {
  readonly intercept: number;
  readonly slope: number;
  /** Largest distance of a point from the line, in y. */
  readonly departure: number;
}

/** The line of least squares through points; undefined when they do not make one. */
export function fitLine(points: readonly (readonly [number, number])[]): Line | undefined {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const spread = mean(points.map(([x]) => (x - meanX) ** 2));
  if (!(spread > 0)) return undefined;
  const slope = mean(points.map(([x, y]) => (x - meanX) * (y - meanY))) / spread;
  const intercept = meanY - slope * meanX;
  const departure = Math.max(...points.map(([x, y]) => Math.abs(y - intercept - slope * x)));
  return { intercept, slope, departure };
}
