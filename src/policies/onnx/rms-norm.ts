import { type Graph, int, type Value } from './graph.ts';
import type { Weights } from './weights.ts';

/** Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv 1910.07467): `x / sqrt(mean(x²) + ε) * w`. */
export function rmsNorm(weights: Weights, x: Value, width: number, epsilon: number): Value {
  return normalise(weights.graph, x, weights.tensor('weight', [width]), epsilon);
}

/** As Gemma has it: the learnt scale is kept as its distance from one, `x / sqrt(mean(x²) + ε) * (1 + w)`. */
export function gemmaRmsNorm(weights: Weights, x: Value, width: number, epsilon: number): Value {
  const { graph } = weights;
  const scale = graph.node('Add', [weights.tensor('weight', [width]), graph.floats(Float32Array.of(1), [])]);
  return normalise(graph, x, scale, epsilon);
}

/**
 * Adaptive: scale and shift come from a condition, `x / sqrt(mean(x²) + ε) * (1 + scale) + shift`.
 * @param scale,shift [width], [1, width] or [tokens, width]
 */
export function adaptiveRmsNorm(
  graph: Graph,
  x: Value,
  { scale, shift }: { readonly scale: Value; readonly shift: Value },
  width: number,
  epsilon: number,
): Value {
  const plain = normalise(graph, x, graph.floats(new Float32Array(width).fill(1), [width]), epsilon);
  const factor = graph.node('Add', [scale, graph.floats(Float32Array.of(1), [])]);
  return graph.node('Add', [graph.node('Mul', [plain, factor]), shift]);
}

function normalise(graph: Graph, x: Value, scale: Value, epsilon: number): Value {
  return graph.node('SimplifiedLayerNormalization', [x, scale], { axis: int(-1), epsilon });
}
