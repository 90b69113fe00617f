import { type Graph, int, type Value } from './graph.ts';
import type { TensorValue } from './session-protocol.ts';

/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864) in the half-split form: number i of a head turns
 * with number i + headWidth / 2.
 */

/** Cosines and sines of a run of tokens, [tokens, headWidth / 2] each. */
export interface RotaryTable {
  readonly cos: TensorValue;
  readonly sin: TensorValue;
}

/** The table of these positions, rounded to float32 where training code rounds. Base is 10000 in every model here. */
export function rotaryTable(positions: readonly number[], headWidth: number, base = 10_000): RotaryTable {
  const half = headWidth / 2;
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  const step = Math.fround(2 / headWidth);
  const timescale = Float32Array.from({ length: half }, (_, i) => base ** Math.fround(step * i));
  positions.forEach((position, row) => {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position / (timescale[i] as number));
      cos[row * half + i] = Math.cos(angle);
      sin[row * half + i] = Math.sin(angle);
    }
  });
  const shape = [positions.length, half];
  return { cos: { shape, data: cos }, sin: { shape, data: sin } };
}

/** Consecutive positions from `first` on. */
export const positionsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

/**
 * Turns every head of x.
 * @param x [tokens, heads * headWidth]
 * @param table cosines and sines of exactly these tokens, [tokens, headWidth / 2] each
 */
export function rotate(
  graph: Graph,
  x: Value,
  table: { readonly cos: Value; readonly sin: Value },
  heads: number,
  headWidth: number,
): Value {
  const width = heads * headWidth;
  const batch = graph.node('Reshape', [x, graph.integers(1, -1, width)]);
  const turned = graph.node(
    'RotaryEmbedding',
    [batch, graph.integers(0), table.cos, table.sin],
    { interleaved: int(0) },
    'com.microsoft',
  );
  return graph.node('Reshape', [turned, graph.integers(-1, width)]);
}
