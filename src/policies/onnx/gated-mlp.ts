import type { Graph, Value } from './graph.ts';
import { linear } from './linear.ts';
import type { Weights } from './weights.ts';

export type GateActivation = 'silu' | 'gelu_tanh';

/** Gated feed-forward layer (Shazeer 2020, arXiv 2002.05202): `down(f(gate x) * up x)`, without biases. */
export function gatedMlp(
  weights: Weights,
  x: Value,
  { width, hidden, activation }: { width: number; hidden: number; activation: GateActivation },
): Value {
  const { graph } = weights;
  const into = (name: string) => linear(weights.part(name), x, width, hidden, { bias: false });
  const gate = activation === 'silu' ? silu(graph, into('gate_proj')) : geluTanh(graph, into('gate_proj'));
  const product = graph.node('Mul', [gate, into('up_proj')]);
  return linear(weights.part('down_proj'), product, hidden, width, { bias: false });
}

/** `x * sigmoid(x)`. */
export const silu = (graph: Graph, x: Value): Value =>
  graph.node('QuickGelu', [x], { alpha: 1 }, 'com.microsoft');

/** The Gaussian error linear unit by its tanh formula. */
export const geluTanh = (graph: Graph, x: Value): Value => graph.node('Gelu', [x], { approximate: 'tanh' });
