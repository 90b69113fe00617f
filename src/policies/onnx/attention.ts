import { int, ints, type Value } from './graph.ts';
import type { Weights } from './weights.ts';

export interface AttentionShape {
  readonly width: number;
  readonly heads: number;
}

/**
 * Scaled dot-product attention over heads that were already projected.
 * @param queries,keys,values [tokens, heads * headWidth] each
 * @returns [query tokens, heads * headWidth]
 */
export function attend(
  weights: Weights,
  queries: Value,
  keys: Value,
  values: Value,
  { width, heads }: AttentionShape,
): Value {
  const { graph } = weights;
  const headWidth = width / heads;
  const split = graph.integers(-1, heads, headWidth);
  const perHead = (x: Value, ...axes: number[]) =>
    graph.node('Transpose', [graph.node('Reshape', [x, split])], { perm: ints(...axes) });
  const scale = graph.floats(Float32Array.of(1 / Math.sqrt(headWidth)), []);
  const scores = graph.node('MatMul', [
    perHead(graph.node('Mul', [queries, scale]), 1, 0, 2),
    perHead(keys, 1, 2, 0),
  ]);
  const mixed = graph.node('MatMul', [
    graph.node('Softmax', [scores], { axis: int(-1) }),
    perHead(values, 1, 0, 2),
  ]);
  const joined = graph.node('Transpose', [mixed], { perm: ints(1, 0, 2) });
  return graph.node('Reshape', [joined, graph.integers(-1, width)]);
}

/**
 * Multi-head attention with the parameter names of `torch.nn.MultiheadAttention`, whose three input projections
 * lie in one tensor, one after the other.
 */
export function multiHeadAttention(
  weights: Weights,
  inputs: { readonly query: Value; readonly key: Value; readonly value: Value },
  shape: AttentionShape,
): Value {
  const { width } = shape;
  const project = (x: Value, third: number) =>
    weights.graph.node(
      'Gemm',
      [
        x,
        weights.rows('in_proj_weight', [3 * width, width], third * width, width),
        weights.rows('in_proj_bias', [3 * width], third * width, width),
      ],
      { transB: int(1) },
    );
  const mixed = attend(
    weights,
    project(inputs.query, 0),
    project(inputs.key, 1),
    project(inputs.value, 2),
    shape,
  );
  return weights.graph.node(
    'Gemm',
    [mixed, weights.tensor('out_proj.weight', [width, width]), weights.tensor('out_proj.bias', [width])],
    { transB: int(1) },
  );
}
