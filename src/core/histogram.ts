/**
 * Histograms of durations with buckets that grow by a quarter octave: bucket `b` counts values below 2^(b/4) us
 * that no earlier bucket takes, and the last bucket everything above. The edges keep 19 % resolution from 1 us up.
 */

/** Bucket of a duration, 0 to `buckets - 1`. Negative and tiny durations are in bucket 0. */
export function bucketOf(durationNs: number, buckets: number): number {
  if (!(durationNs >= 1000)) return 0;
  const bucket = Math.floor(4 * Math.log2(durationNs / 1000)) + 1;
  return bucket < buckets ? bucket : buckets - 1;
}

/** Upper edge of a bucket, us; the last bucket has none. */
export const bucketEdgeUs = (bucket: number): number => 2 ** (bucket / 4);

/** Upper edge, us, of the bucket in which the value at `share` (0 to 1) of all counted values lies; NaN for none. */
export function histogramPercentileUs(histogram: ArrayLike<number>, share: number): number {
  let total = 0;
  for (let bucket = 0; bucket < histogram.length; bucket++) total += histogram[bucket] ?? 0;
  if (total === 0) return Number.NaN;
  let left = Math.max(1, Math.ceil(share * total));
  for (let bucket = 0; bucket < histogram.length; bucket++) {
    left -= histogram[bucket] ?? 0;
    if (left <= 0) return bucketEdgeUs(bucket);
  }
  return Number.POSITIVE_INFINITY;
}
