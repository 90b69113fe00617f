/**
 * Sines, then cosines, of a time in [0, 1] at periods that grow geometrically (Vaswani et al. 2017,
 * arXiv 1706.03762, with the range of periods that flow-matching policies use).
 *
 * @returns [times, width]
 */
export function timeEmbedding(
  times: readonly number[],
  width: number,
  { minPeriod, maxPeriod }: { readonly minPeriod: number; readonly maxPeriod: number },
): Float32Array<ArrayBuffer> {
  const half = width / 2;
  const table = new Float32Array(times.length * width);
  const frequency = Float64Array.from({ length: half }, (_, i) => {
    const period = minPeriod * (maxPeriod / minPeriod) ** (half === 1 ? 0 : i / (half - 1));
    return (2 * Math.PI) / period;
  });
  times.forEach((time, row) => {
    // Training code holds the time in float32 and the rest in float64.
    const t = Math.fround(time);
    for (let i = 0; i < half; i++) {
      const angle = (frequency[i] as number) * t;
      table[row * width + i] = Math.sin(angle);
      table[row * width + half + i] = Math.cos(angle);
    }
  });
  return table;
}
