const TWO_PI = Math.fround(2 * Math.PI);
const TEMPERATURE = 10_000;

/**
 * Two-dimensional sine position embedding of DETR (Carion et al. 2020, arXiv 2005.12872): the first half of the
 * channels tells the row, the second the column, sine and cosine interleaved over falling frequencies.
 * Rounded to float32 where the training code rounds.
 *
 * @returns [height * width, channels], rows of the map one after the other
 */
export function sinePositions(height: number, width: number, channels: number): Float32Array {
  const half = channels / 2;
  const table = new Float32Array(height * width * channels);
  const frequency = Float32Array.from({ length: half }, (_, i) =>
    Math.fround(TEMPERATURE ** Math.fround((2 * Math.floor(i / 2)) / half)),
  );
  const angle = (index: number, extent: number) =>
    Math.fround(Math.fround((index + 1) / Math.fround(extent + 1e-6)) * TWO_PI);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const base = (row * width + column) * channels;
      for (let i = 0; i < half; i++) {
        const wave = i % 2 === 0 ? Math.sin : Math.cos;
        const divisor = frequency[i] ?? 1;
        table[base + i] = wave(Math.fround(angle(row, height) / divisor));
        table[base + half + i] = wave(Math.fround(angle(column, width) / divisor));
      }
    }
  }
  return table;
}
