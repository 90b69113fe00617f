import { fusedAttend } from './attention.ts';
import { geluTanh } from './gated-mlp.ts';
import { ints, type Value } from './graph.ts';
import { layerNorm, linear } from './linear.ts';
import type { Weights } from './weights.ts';

/** The vision transformer of SigLIP (Zhai et al. 2023, arXiv 2303.15343) with its parameter names in transformers. */
export interface SiglipShape {
  /** Side of the square pictures, pixels. */
  readonly side: number;
  /** Side of a patch, pixels; what is left over at the far edges is not seen. */
  readonly patch: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  readonly layers: number;
  /** Rows of the table of learnt positions. */
  readonly positions: number;
  /** Row of that table for each patch, when it was learnt on pictures of another size. Default: in order. */
  readonly positionRows?: readonly number[] | undefined;
}

const EPSILON = 1e-6;

/** Pictures [1, 3, side, side], -1 to 1, to one token a patch, [patches, width], row by row. */
export function siglip(weights: Weights, pictures: Value, shape: SiglipShape): Value {
  const { graph } = weights;
  const { patch, width, layers } = shape;
  const embedding = weights.part('embeddings.patch_embedding');
  const cells = graph.node(
    'Conv',
    [pictures, embedding.tensor('weight', [width, 3, patch, patch]), embedding.tensor('bias', [width])],
    { kernel_shape: ints(patch, patch), strides: ints(patch, patch) },
  );
  const flat = graph.node('Reshape', [cells, graph.integers(width, -1)]);
  const patches = graph.node('Transpose', [flat], { perm: ints(1, 0) });
  let x = graph.node('Add', [patches, positions(weights, shape)]);
  for (let layer = 0; layer < layers; layer++) {
    x = encoderLayer(weights.part(`encoder.layers.${layer}`), x, shape);
  }
  return layerNorm(weights.part('post_layernorm'), x, width, EPSILON);
}

function positions(weights: Weights, shape: SiglipShape): Value {
  const table = weights.tensor('embeddings.position_embedding.weight', [shape.positions, shape.width]);
  if (shape.positionRows === undefined) return table;
  return weights.graph.node('Gather', [table, weights.graph.integers(...shape.positionRows)]);
}

function encoderLayer(weights: Weights, x: Value, { width, heads, hidden }: SiglipShape): Value {
  const { graph } = weights;
  const attention = weights.part('self_attn');
  const quiet = layerNorm(weights.part('layer_norm1'), x, width, EPSILON);
  const project = (name: string, input: Value) => linear(attention.part(name), input, width, width);
  const mixed = fusedAttend(
    weights,
    project('q_proj', quiet),
    project('k_proj', quiet),
    project('v_proj', quiet),
    { width, heads },
  );
  const attended = graph.node('Add', [x, project('out_proj', mixed)]);
  const mlp = weights.part('mlp');
  const wide = linear(
    mlp.part('fc1'),
    layerNorm(weights.part('layer_norm2'), attended, width, EPSILON),
    width,
    hidden,
  );
  return graph.node('Add', [attended, linear(mlp.part('fc2'), geluTanh(graph, wide), hidden, width)]);
}
