import { int, type Value } from './graph.ts';
import type { Weights } from './weights.ts';

export interface LinearOptions {
  /** Whether there is a `bias` beside the `weight`. Default true. */
  readonly bias?: boolean;
}

/**
 * `x W' + b` for x of [tokens, inputs]. PyTorch keeps W as [outputs, inputs]; no transposed copy is made.
 * Every large matrix product of every model goes through here, so that quantised weights come in here.
 */
export function linear(
  weights: Weights,
  x: Value,
  inputs: number,
  outputs: number,
  { bias = true }: LinearOptions = {},
): Value {
  return linearRows(weights, x, {
    weight: 'weight',
    shape: [outputs, inputs],
    ...(bias ? { bias: 'bias' } : {}),
  });
}

export interface LinearRows {
  readonly weight: string;
  readonly bias?: string;
  /** Of the whole weight: [outputs, inputs]. */
  readonly shape: readonly [number, number];
  /** Outputs to compute: `count` from `first` on. Default: all. */
  readonly first?: number;
  readonly count?: number;
}

/** The same for some of the outputs of a weight that holds several projections, one after the other. */
export function linearRows(
  weights: Weights,
  x: Value,
  { weight, bias, shape, first = 0, count = shape[0] }: LinearRows,
): Value {
  const { graph } = weights;
  const [outputs, inputs] = shape;
  const quantized = weights.quantizedRows(weight, shape, first, count);
  const dense = quantized === undefined ? weights.rows(weight, shape, first, count) : undefined;
  const offset = bias === undefined ? undefined : weights.rows(bias, [outputs], first, count);
  if (quantized === undefined) {
    const terms = offset === undefined ? [x, dense] : [x, dense, offset];
    return graph.node('Gemm', terms, { transB: int(1) });
  }
  const { format, values, scales } = quantized;
  return graph.node(
    'MatMulNBits',
    [x, values, scales, undefined, undefined, offset],
    {
      N: int(count),
      K: int(inputs),
      bits: int(format.bits),
      block_size: int(format.block),
      // Activations are rounded to eight bits, block by block; exact ones are seven times slower.
      accuracy_level: int(4),
    },
    'com.microsoft',
  );
}

/** Normalises each token over its last axis, with learnt scale and shift. */
export function layerNorm(weights: Weights, x: Value, width: number, epsilon = 1e-5): Value {
  return weights.graph.node(
    'LayerNormalization',
    [x, weights.tensor('weight', [width]), weights.tensor('bias', [width])],
    { axis: int(-1), epsilon },
  );
}
