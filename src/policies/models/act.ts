/**
 * ACT: the Action Chunking Transformer of Zhao et al. 2023 ("Learning Fine-Grained Bimanual Manipulation with
 * Low-Cost Hardware", arXiv 2304.13705), as LeRobot trains it.
 *
 * A ResNet turns each picture into a map of features. Their cells, the robot's state and a latent style token
 * (zero when acting) go through a transformer encoder; a decoder whose queries are the steps of the future
 * attends to it, and a linear head reads off one action for each step.
 */
import { multiHeadAttention } from '../onnx/attention.ts';
import { Graph, int, ints, type Value } from '../onnx/graph.ts';
import { layerNorm, linear } from '../onnx/linear.ts';
import { featureExtent, RESNETS, resNet } from '../onnx/resnet.ts';
import { sinePositions } from '../onnx/sine-position.ts';
import { type TensorSource, Weights } from '../onnx/weights.ts';
import type { ActCamera, ActConfig, ActInterface } from './act-config.ts';

const PREFIX = 'model.';

/** Picture [1, 3, height, width], normalised, to tokens [cells, dim_model]: runs once for each camera. */
export function actBackbone(config: ActConfig, cameras: readonly ActCamera[], source: TensorSource): Graph {
  const graph = new Graph('act-backbone');
  const weights = new Weights(graph, source, PREFIX);
  const net = RESNETS.get(config.vision_backbone);
  if (net === undefined) throw new RangeError(config.vision_backbone);
  const common = <T>(values: readonly T[], name: string) =>
    values.every((value) => value === values[0]) ? (values[0] ?? name) : name;
  const height = common(
    cameras.map((camera) => camera.height),
    'height',
  );
  const width = common(
    cameras.map((camera) => camera.width),
    'width',
  );

  const picture = graph.input('picture', [1, 3, height, width]);
  const features = resNet(
    weights.part('backbone'),
    picture,
    net,
    Boolean(config.replace_final_stride_with_dilation),
  );
  const projection = weights.part('encoder_img_feat_input_proj');
  const narrowed = graph.node(
    'Conv',
    [
      features,
      projection.tensor('weight', [config.dim_model, net.channels, 1, 1]),
      projection.tensor('bias', [config.dim_model]),
    ],
    { kernel_shape: ints(1, 1) },
  );
  const flat = graph.node('Reshape', [narrowed, graph.integers(config.dim_model, -1)]);
  graph.output('tokens', graph.node('Transpose', [flat], { perm: ints(1, 0) }), ['cells', config.dim_model]);
  return graph;
}

/** Name of the transformer's input that takes a camera's tokens. */
export const cameraTokens = (index: number): string => `camera_${index}`;

/** State, environment and camera tokens to actions [chunk_size, action], normalised. */
export function actTransformer(config: ActConfig, ports: ActInterface, source: TensorSource): Graph {
  const graph = new Graph('act-transformer');
  const weights = new Weights(graph, source, PREFIX);
  const width = config.dim_model;

  // The encoder's tokens: [latent, state, environment, cells of each camera].
  const latent = graph.floats(new Float32Array(config.latent_dim), [1, config.latent_dim]);
  const tokens = [linear(weights.part('encoder_latent_input_proj'), latent, config.latent_dim, width)];
  const vector = (name: string, projection: string, length: number | undefined) => {
    if (length === undefined) return;
    tokens.push(linear(weights.part(projection), graph.input(name, [1, length]), length, width));
  };
  vector('state', 'encoder_robot_state_input_proj', ports.stateLength);
  vector('environment', 'encoder_env_state_input_proj', ports.environmentLength);
  const positions = [weights.tensor('encoder_1d_feature_pos_embed.weight', [tokens.length, width])];
  ports.cameras.forEach((camera, index) => {
    const dilated = Boolean(config.replace_final_stride_with_dilation);
    const rows = featureExtent(camera.height, dilated);
    const columns = featureExtent(camera.width, dilated);
    tokens.push(graph.input(cameraTokens(index), [rows * columns, width]));
    positions.push(graph.floats(sinePositions(rows, columns, width), [rows * columns, width]));
  });
  const concat = (parts: readonly Value[]) => graph.node('Concat', parts, { axis: int(0) });
  const position = concat(positions);

  let memory = concat(tokens);
  for (let layer = 0; layer < config.n_encoder_layers; layer++) {
    memory = encoderLayer(weights.part(`encoder.layers.${layer}`), config, memory, position);
  }
  if (config.pre_norm) memory = layerNorm(weights.part('encoder.norm'), memory, width);

  const query = weights.tensor('decoder_pos_embed.weight', [config.chunk_size, width]);
  const key = graph.node('Add', [memory, position]);
  let x = graph.floats(new Float32Array(config.chunk_size * width), [config.chunk_size, width]);
  for (let layer = 0; layer < config.n_decoder_layers; layer++) {
    x = decoderLayer(weights.part(`decoder.layers.${layer}`), config, x, query, { key, value: memory });
  }
  x = layerNorm(weights.part('decoder.norm'), x, width);
  graph.output('actions', linear(weights.part('action_head'), x, width, ports.actionLength), [
    config.chunk_size,
    ports.actionLength,
  ]);
  return graph;
}

function encoderLayer(weights: Weights, config: ActConfig, x: Value, position: Value): Value {
  const attended = residual(weights, config, x, 'norm1', (input) => {
    const query = weights.graph.node('Add', [input, position]);
    return attention(weights.part('self_attn'), config, query, query, input);
  });
  return residual(weights, config, attended, 'norm2', (input) => feedForward(weights, config, input));
}

function decoderLayer(
  weights: Weights,
  config: ActConfig,
  x: Value,
  position: Value,
  memory: { readonly key: Value; readonly value: Value },
): Value {
  const { graph } = weights;
  const own = residual(weights, config, x, 'norm1', (input) => {
    const query = graph.node('Add', [input, position]);
    return attention(weights.part('self_attn'), config, query, query, input);
  });
  const cross = residual(weights, config, own, 'norm2', (input) => {
    const query = graph.node('Add', [input, position]);
    return attention(weights.part('multihead_attn'), config, query, memory.key, memory.value);
  });
  return residual(weights, config, cross, 'norm3', (input) => feedForward(weights, config, input));
}

/** `x + f(norm(x))` with pre-norm, `norm(x + f(x))` without. */
function residual(
  weights: Weights,
  config: ActConfig,
  x: Value,
  norm: string,
  f: (x: Value) => Value,
): Value {
  const normalise = (value: Value) => layerNorm(weights.part(norm), value, config.dim_model);
  const sum = weights.graph.node('Add', [x, f(config.pre_norm ? normalise(x) : x)]);
  return config.pre_norm ? sum : normalise(sum);
}

function attention(weights: Weights, config: ActConfig, query: Value, key: Value, value: Value): Value {
  return multiHeadAttention(
    weights,
    { query, key, value },
    { width: config.dim_model, heads: config.n_heads },
  );
}

function feedForward(weights: Weights, config: ActConfig, x: Value): Value {
  const hidden = linear(weights.part('linear1'), x, config.dim_model, config.dim_feedforward);
  const activated = weights.graph.node(config.feedforward_activation === 'gelu' ? 'Gelu' : 'Relu', [hidden]);
  return linear(weights.part('linear2'), activated, config.dim_feedforward, config.dim_model);
}

/** Tensors of the variational encoder that only training uses, with their shapes. */
export function actTrainingTensors(config: ActConfig, ports: ActInterface): Map<string, readonly number[]> {
  const tensors = new Map<string, readonly number[]>();
  if (!config.use_vae) return tensors;
  const { dim_model: d, dim_feedforward: f, latent_dim: latent } = config;
  const add = (name: string, ...shape: number[]) => tensors.set(`${PREFIX}vae_encoder${name}`, shape);
  const affine = (name: string, outputs: number, inputs?: number) => {
    if (inputs === undefined) add(`${name}.weight`, outputs);
    else add(`${name}.weight`, outputs, inputs);
    add(`${name}.bias`, outputs);
  };
  add('_pos_enc', 1, 1 + (ports.stateLength === undefined ? 0 : 1) + config.chunk_size, d);
  for (let i = 0; i < config.n_vae_encoder_layers; i++) {
    add(`.layers.${i}.self_attn.in_proj_weight`, 3 * d, d);
    add(`.layers.${i}.self_attn.in_proj_bias`, 3 * d);
    affine(`.layers.${i}.self_attn.out_proj`, d, d);
    affine(`.layers.${i}.linear1`, f, d);
    affine(`.layers.${i}.linear2`, d, f);
    affine(`.layers.${i}.norm1`, d);
    affine(`.layers.${i}.norm2`, d);
  }
  if (config.pre_norm) affine('.norm', d);
  add('_cls_embed.weight', 1, d);
  if (ports.stateLength !== undefined) affine('_robot_state_input_proj', d, ports.stateLength);
  affine('_action_input_proj', d, ports.actionLength);
  affine('_latent_output_proj', 2 * latent, d);
  return tensors;
}
