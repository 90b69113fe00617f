import { int, ints, type Value } from './graph.ts';
import { linear, linearRows } from './linear.ts';
import type { Weights } from './weights.ts';

export interface AttentionShape {
  /** `heads * headWidth`. */
  readonly width: number;
  readonly heads: number;
  /** Heads of keys and values, each shared by `heads / kvHeads` query heads. Default: as many as `heads`. */
  readonly kvHeads?: number;
}

/**
 * Scaled dot-product attention over heads that were already projected; keys and values may be shared by groups of
 * query heads (Ainslie et al. 2023, arXiv 2305.13245).
 * @param queries [query tokens, heads * headWidth]
 * @param keys,values [key tokens, kvHeads * headWidth]
 * @param mask added to the scores, [query tokens, key tokens] or anything that broadcasts to it
 * @returns [query tokens, heads * headWidth]
 */
export function attend(
  weights: Weights,
  queries: Value,
  keys: Value,
  values: Value,
  { width, heads, kvHeads = heads }: AttentionShape,
  mask?: Value,
): Value {
  const { graph } = weights;
  const headWidth = width / heads;
  const grouped = kvHeads < heads;
  const scale = graph.floats(Float32Array.of(1 / Math.sqrt(headWidth)), []);
  const reshape = (x: Value, ...shape: number[]) => graph.node('Reshape', [x, graph.integers(...shape)]);
  const transpose = (x: Value, ...axes: number[]) => graph.node('Transpose', [x], { perm: ints(...axes) });
  // [kvHeads, group, tokens, headWidth] for queries, with a group axis of one for what the group shares.
  const perHead = (x: Value) =>
    grouped
      ? transpose(reshape(x, -1, kvHeads, heads / kvHeads, headWidth), 1, 2, 0, 3)
      : transpose(reshape(x, -1, heads, headWidth), 1, 0, 2);
  const shared = (x: Value, ...axes: number[]) =>
    grouped
      ? transpose(reshape(x, -1, kvHeads, 1, headWidth), 1, 2, ...axes.map((axis) => (axis === 0 ? 0 : 3)))
      : transpose(reshape(x, -1, heads, headWidth), 1, ...axes);
  const scores = graph.node('MatMul', [perHead(graph.node('Mul', [queries, scale])), shared(keys, 2, 0)]);
  const masked = mask === undefined ? scores : graph.node('Add', [scores, mask]);
  const mixed = graph.node('MatMul', [
    graph.node('Softmax', [masked], { axis: int(-1) }),
    shared(values, 0, 2),
  ]);
  const joined = grouped ? transpose(mixed, 2, 0, 1, 3) : transpose(mixed, 1, 0, 2);
  return reshape(joined, -1, width);
}

export interface FusedShape {
  /** `heads * headWidth`. */
  readonly width: number;
  readonly heads: number;
  /** Tokens that see and tokens seen, of one run of tokens, when several lie one after the other. Default: all. */
  readonly queryTokens?: number;
  readonly keyTokens?: number;
}

/**
 * The same without groups and mask in one operator, which never holds all scores at once: for long runs of tokens.
 * Each of several runs that lie one after the other sees only itself.
 */
export function fusedAttend(
  weights: Weights,
  queries: Value,
  keys: Value,
  values: Value,
  { width, heads, queryTokens, keyTokens }: FusedShape,
): Value {
  const { graph } = weights;
  const runs = (x: Value, tokens: number | undefined) =>
    graph.node('Reshape', [
      x,
      tokens === undefined ? graph.integers(1, -1, width) : graph.integers(-1, tokens, width),
    ]);
  const mixed = graph.node(
    'MultiHeadAttention',
    [runs(queries, queryTokens), runs(keys, keyTokens), runs(values, keyTokens)],
    { num_heads: int(heads) },
    'com.microsoft',
  );
  return graph.node('Reshape', [mixed, graph.integers(-1, width)]);
}

/**
 * Multi-head attention with the parameter names of `torch.nn.MultiheadAttention`, whose three input projections
 * lie in one tensor, one after the other.
 */
export function multiHeadAttention(
  weights: Weights,
  inputs: { readonly query: Value; readonly key: Value; readonly value: Value },
  shape: FusedShape,
): Value {
  const { width } = shape;
  const project = (x: Value, third: number) =>
    linearRows(weights, x, {
      weight: 'in_proj_weight',
      bias: 'in_proj_bias',
      shape: [3 * width, width],
      first: third * width,
      count: width,
    });
  const mixed = fusedAttend(
    weights,
    project(inputs.query, 0),
    project(inputs.key, 1),
    project(inputs.value, 2),
    shape,
  );
  return linear(weights.part('out_proj'), mixed, width, width);
}
