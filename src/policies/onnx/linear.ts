import { int, type Value } from './graph.ts';
import type { Weights } from './weights.ts';

/** `x W' + b` for x of [tokens, inputs]. PyTorch keeps W as [outputs, inputs]; no transposed copy is made. */
export function linear(weights: Weights, x: Value, inputs: number, outputs: number): Value {
  const weight = weights.tensor('weight', [outputs, inputs]);
  const bias = weights.tensor('bias', [outputs]);
  return weights.graph.node('Gemm', [x, weight, bias], { transB: int(1) });
}

/** Normalises each token over its last axis, with learnt scale and shift. */
export function layerNorm(weights: Weights, x: Value, width: number, epsilon = 1e-5): Value {
  return weights.graph.node(
    'LayerNormalization',
    [x, weights.tensor('weight', [width]), weights.tensor('bias', [width])],
    { axis: int(-1), epsilon },
  );
}
