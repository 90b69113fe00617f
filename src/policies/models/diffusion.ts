/**
 * Diffusion Policy of Chi et al. 2023 ("Visuomotor Policy Learning via Action Diffusion", arXiv 2303.04137), as
 * LeRobot trains it.
 *
 * A ResNet whose last maps are read as keypoints describes each picture. The descriptions, the robot's state and the
 * environment's, over the last observations, condition a U-Net over the steps of the future; step by step it takes
 * the noise out of a random trajectory.
 */
import { Graph, int, ints, type Value } from '../onnx/graph.ts';
import { linear } from '../onnx/linear.ts';
import { centreCrop, resize } from '../onnx/resize.ts';
import { RESNETS, resNet, SEQUENTIAL } from '../onnx/resnet.ts';
import { spatialSoftmax } from '../onnx/spatial-softmax.ts';
import { unet1d } from '../onnx/unet-1d.ts';
import { TensorInventory, type TensorSource, Weights } from '../onnx/weights.ts';
import type { DiffusionConfig, DiffusionInterface, PictureSizes } from './diffusion-config.ts';
import type { TensorShapes } from './kind.ts';

const PREFIX = 'diffusion.';

/** Encoders by the name of their weights: one for each camera, or one for all. */
export function encoderNames(config: DiffusionConfig, { cameras }: DiffusionInterface): string[] {
  if (!config.use_separate_rgb_encoder_per_camera) return cameras.length > 0 ? ['rgb_encoder'] : [];
  return cameras.map((_, index) => `rgb_encoder.${index}`);
}

/** Picture [1, 3, height, width], normalised, to a description [1, 2 * keypoints]. */
export function diffusionEncoder(
  config: DiffusionConfig,
  sizes: PictureSizes,
  name: string,
  source: TensorSource,
): Graph {
  const graph = new Graph(`diffusion-${name}`);
  const weights = new Weights(graph, source, PREFIX).part(name);
  const net = RESNETS.get(config.vision_backbone);
  if (net === undefined) throw new RangeError(config.vision_backbone);
  const { camera, resized, cropped, cells } = sizes;
  const keypoints = config.spatial_softmax_num_keypoints;

  let picture = graph.input('picture', [1, 3, camera.height, camera.width]);
  if (resized !== camera) picture = resize(graph, picture, camera, resized);
  if (cropped !== resized) picture = centreCrop(graph, picture, resized, cropped);
  const features = resNet(weights.part('backbone'), picture, net, {
    norm: config.use_group_norm ? 'group' : 'batch',
    names: SEQUENTIAL,
  });
  const points = spatialSoftmax(weights.part('pool'), features, { channels: net.channels, cells, keypoints });
  const width = 2 * keypoints;
  graph.output('description', graph.node('Relu', [linear(weights.part('out'), points, width, width)]), [
    1,
    width,
  ]);
  return graph;
}

/** One denoising step: a noisy trajectory [1, horizon, action] to the network's prediction, as long. */
export function diffusionStep(
  config: DiffusionConfig,
  ports: DiffusionInterface,
  source: TensorSource,
): Graph {
  const graph = new Graph('diffusion-step');
  const weights = new Weights(graph, source, PREFIX).part('unet');
  const { horizon, diffusion_step_embed_dim: timeWidth } = config;
  const { actionLength } = ports;
  const observationsWidth = config.n_obs_steps * ports.observationWidth;

  const trajectory = graph.input('trajectory', [1, horizon, actionLength]);
  const observations = graph.input('observations', [1, observationsWidth]);
  const time = stepEncoder(
    weights.part('diffusion_step_encoder'),
    graph.input('time', [1, timeWidth]),
    timeWidth,
  );
  const condition = graph.node('Concat', [time, observations], { axis: int(1) });
  const transposed = (x: Value) => graph.node('Transpose', [x], { perm: ints(0, 2, 1) });
  const prediction = unet1d(weights, transposed(trajectory), condition, {
    channels: actionLength,
    levels: config.down_dims,
    kernel: config.kernel_size,
    groups: config.n_groups,
    conditionWidth: timeWidth + observationsWidth,
    scales: config.use_film_scale_modulation,
  });
  graph.output('prediction', transposed(prediction), [1, horizon, actionLength]);
  return graph;
}

function stepEncoder(weights: Weights, embedding: Value, width: number): Value {
  const hidden = weights.graph.node('Mish', [linear(weights.part('1'), embedding, width, 4 * width)]);
  return linear(weights.part('3'), hidden, 4 * width, width);
}

/**
 * Sines, then cosines, of the timestep at `width / 2` frequencies from 1 to 1 / 10000.
 * Frequencies are float32, as they were in training.
 */
export function timestepEmbedding(timestep: number, width: number): Float32Array<ArrayBuffer> {
  const half = width / 2;
  const falloff = Math.log(10_000) / (half - 1);
  const angle = (i: number) =>
    Math.fround(timestep * Math.fround(Math.exp(-Math.fround(i * Math.fround(falloff)))));
  return Float32Array.from({ length: width }, (_, i) =>
    i < half ? Math.sin(angle(i)) : Math.cos(angle(i - half)),
  );
}

/** Tensors that acting takes, with their shapes. */
export function diffusionTensors(config: DiffusionConfig, ports: DiffusionInterface): TensorShapes {
  const inventory = new TensorInventory();
  const { pictures } = ports;
  if (pictures !== undefined) {
    for (const name of encoderNames(config, ports)) diffusionEncoder(config, pictures, name, inventory);
  }
  diffusionStep(config, ports, inventory);
  return inventory.shapes;
}

/** Batch normalisation counts the batches it saw; nothing reads the counts. */
export function diffusionTrainingTensors(config: DiffusionConfig, ports: DiffusionInterface): TensorShapes {
  const statistics = [...diffusionTensors(config, ports).keys()].filter((name) =>
    name.endsWith('.running_mean'),
  );
  return new Map(statistics.map((name) => [name.replace(/running_mean$/, 'num_batches_tracked'), []]));
}
