import type { Graph, Value } from './graph.ts';

export interface Extents {
  readonly height: number;
  readonly width: number;
}

/**
 * Resizes pictures [batch, channels, height, width] as `torchvision.transforms.Resize` does: bilinear, each pixel
 * the mean of all it covers when there become fewer.
 */
export function resize(graph: Graph, pictures: Value, from: Extents, to: Extents): Value {
  // Bilinear weights of rows and columns do not depend on each other: two products of matrices.
  const rows = graph.floats(resizeWeights(from.height, to.height), [to.height, from.height]);
  const columns = transposed(resizeWeights(from.width, to.width), to.width, from.width);
  const narrowed = graph.node('MatMul', [pictures, graph.floats(columns, [from.width, to.width])]);
  return graph.node('MatMul', [rows, narrowed]);
}

/** The middle `to` of pictures of `from`; an odd margin is split as torchvision rounds it, halves to even. */
export function centreCrop(graph: Graph, pictures: Value, from: Extents, to: Extents): Value {
  const top = roundHalfToEven((from.height - to.height) / 2);
  const left = roundHalfToEven((from.width - to.width) / 2);
  return graph.node('Slice', [
    pictures,
    graph.integers(top, left),
    graph.integers(top + to.height, left + to.width),
    graph.integers(2, 3),
  ]);
}

/** [to, from]: the share each old sample has in each new one, a triangle around the place it comes from. */
export function resizeWeights(from: number, to: number): Float32Array {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const weights = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const shares = Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((first + k - centre + 0.5) / reach)),
    );
    const total = shares.reduce((sum, share) => sum + share, 0);
    for (const [k, share] of shares.entries()) weights[i * from + first + k] = share / total;
  }
  return weights;
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(
    matrix,
    (_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)] as number,
  );
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
