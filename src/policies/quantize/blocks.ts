import { blockBytes, blocksPerRow, type QuantizedFormat } from './format.ts';

/** A matrix in blocks. */
export interface QuantizedRows {
  /** Row by row, block by block; at 4 bits two weights a byte, the first in the lower half. */
  readonly values: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * Rounds each weight to a whole number of its block's scale, as ONNX Runtime's MatMulNBits reads them: a stored `q`
 * stands for `scale * (q - 2^(bits - 1))`. The scale takes the block's largest weight to the end of the range that
 * has one more step, so its sign is the opposite of that weight's.
 * @param weights [rows, columns]
 * @throws RangeError when a weight is not finite
 */
export function quantizeRows(
  weights: Float32Array,
  rows: number,
  columns: number,
  format: QuantizedFormat,
): QuantizedRows {
  const { bits, block } = format;
  const blocks = blocksPerRow(columns, format);
  const bytes = blockBytes(format);
  const middle = 2 ** (bits - 1);
  const last = 2 * middle - 1;
  const values = new Uint8Array(rows * blocks * bytes).fill(bits === 8 ? middle : middle * 17);
  const scales = new Float32Array(rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < blocks; index++) {
      const start = row * columns + index * block;
      const end = Math.min(start + block, (row + 1) * columns);
      const at = row * blocks + index;
      const most = extreme(weights, start, end);
      if (Number.isNaN(most)) throw new RangeError('it holds a weight that is not finite');
      if (most === 0) continue;
      const scale = Math.fround(most / -middle);
      scales[at] = scale;
      const inverse = 1 / scale;
      // Adding half a step and cutting the fraction off rounds to nearest: nothing here is negative.
      const offset = middle + 0.5;
      let out = at * bytes;
      if (bits === 8) {
        for (let i = start; i < end; i++) {
          const q = ((weights[i] as number) * inverse + offset) | 0;
          values[out++] = Math.min(q, last);
        }
      } else {
        for (let i = start; i < end; i += 2) {
          const low = ((weights[i] as number) * inverse + offset) | 0;
          const high = i + 1 < end ? ((weights[i + 1] as number) * inverse + offset) | 0 : middle;
          values[out++] = Math.min(low, last) | (Math.min(high, last) << 4);
        }
      }
    }
  }
  return { values, scales };
}

/** The weight of greatest size, with its sign; not a number when one of them is not finite. */
function extreme(weights: Float32Array, start: number, end: number): number {
  let most = 0;
  let least = 0;
  let sum = 0;
  for (let i = start; i < end; i++) {
    const weight = weights[i] as number;
    sum += weight;
    if (weight > most) most = weight;
    else if (weight < least) least = weight;
  }
  if (!Number.isFinite(sum)) return Number.NaN;
  return most > -least ? most : least;
}

/** The weights that quantised rows stand for. */
export function dequantizeRows(
  { values, scales }: QuantizedRows,
  rows: number,
  columns: number,
  format: QuantizedFormat,
): Float32Array {
  const { bits, block } = format;
  const blocks = blocksPerRow(columns, format);
  const bytes = blockBytes(format);
  const middle = 2 ** (bits - 1);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns);
    const column = i % columns;
    const at = row * blocks + Math.floor(column / block);
    const within = column % block;
    const byte = values[at * bytes + Math.floor((within * bits) / 8)] as number;
    const q = bits === 8 ? byte : within % 2 === 0 ? byte & 15 : byte >> 4;
    return (scales[at] as number) * (q - middle);
  });
}
