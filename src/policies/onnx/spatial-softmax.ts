import { int, ints, type Value } from './graph.ts';
import type { Weights } from './weights.ts';

/**
 * Spatial softmax (Finn et al. 2016, arXiv 1509.06113): each map becomes the point where, on average, it is active.
 * Parameter names as in LeRobot's port of robomimic's: `nets` makes the maps, `pos_grid` says where cells lie.
 *
 * @param features [1, channels, rows, columns]
 * @returns [1, 2 * keypoints]: x and y of each, -1 to 1
 */
export function spatialSoftmax(
  weights: Weights,
  features: Value,
  shape: { readonly channels: number; readonly cells: number; readonly keypoints: number },
): Value {
  const { graph } = weights;
  const { channels, cells, keypoints } = shape;
  const convolution = weights.part('nets');
  const maps = graph.node(
    'Conv',
    [
      features,
      convolution.tensor('weight', [keypoints, channels, 1, 1]),
      convolution.tensor('bias', [keypoints]),
    ],
    { kernel_shape: ints(1, 1) },
  );
  const flat = graph.node('Reshape', [maps, graph.integers(keypoints, cells)]);
  const attention = graph.node('Softmax', [flat], { axis: int(-1) });
  const points = graph.node('MatMul', [attention, weights.tensor('pos_grid', [cells, 2])]);
  return graph.node('Reshape', [points, graph.integers(1, 2 * keypoints)]);
}
