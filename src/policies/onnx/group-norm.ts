import type { Value } from './graph.ts';
import type { Weights } from './weights.ts';

/**
 * Group normalisation (Wu and He 2018, arXiv 1803.08494): channels are normalised in groups, whatever the batch, with
 * learnt scale and shift for each channel.
 * @param x [batch, channels, ...] with `axes` more axes
 */
export function groupNorm(
  weights: Weights,
  x: Value,
  { channels, groups, axes }: { readonly channels: number; readonly groups: number; readonly axes: number },
): Value {
  const { graph } = weights;
  // A group is an instance once its channels lie end to end.
  const grouped = graph.node('Reshape', [x, graph.integers(0, groups, -1)]);
  const normalised = graph.node(
    'InstanceNormalization',
    [
      grouped,
      graph.floats(new Float32Array(groups).fill(1), [groups]),
      graph.floats(new Float32Array(groups), [groups]),
    ],
    { epsilon: 1e-5 },
  );
  const spread = graph.node('Reshape', [normalised, graph.node('Shape', [x])]);
  const perChannel = graph.integers(...Array.from({ length: axes }, (_, i) => i + 1));
  const vector = (name: string) => graph.node('Unsqueeze', [weights.tensor(name, [channels]), perChannel]);
  return graph.node('Add', [graph.node('Mul', [spread, vector('weight')]), vector('bias')]);
}
