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
import { TensorInventory, type TensorSource, Weights } from '../onnx/weights.ts';
import type { ActCamera, ActConfig, ActInterface } from './act-config.ts';

const PREFIX = 'model.';

/**
 * Pictures [observations, 3, height, width], normalised, to tokens [observations, cells, dim_model]: runs once for
 * each camera.
 */
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

  const pictures = graph.input('pictures', [OBSERVATIONS, 3, height, width]);
  const features = resNet(weights.part('backbone'), pictures, net, {
    dilateLast: Boolean(config.replace_final_stride_with_dilation),
  });
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
  // Zero stands for "as it is".
  const flat = graph.node('Reshape', [narrowed, graph.integers(0, config.dim_model, -1)]);
  const tokens = graph.node('Transpose', [flat], { perm: ints(0, 2, 1) });
  graph.output('tokens', tokens, [OBSERVATIONS, 'cells', config.dim_model]);
  return graph;
}

/** Name of the transformer's input that takes a camera's tokens. */
export const cameraTokens = (index: number): string => `camera_${index}`;

/** Name of the first extent of every input and output: observations that are answered in one run. */
const OBSERVATIONS = 'observations';

/** Tokens of all observations, one row each, and how many of them one observation has. */
interface Tokens {
  /** [observations * count, dim_model] */
  readonly rows: Value;
  readonly count: number;
}

/**
 * States [observations, state], environments [observations, environment] and cameras' tokens [observations, cells,
 * dim_model] to actions [observations, chunk_size, action], normalised.
 */
export function actTransformer(config: ActConfig, ports: ActInterface, source: TensorSource): Graph {
  const graph = new Graph('act-transformer');
  const weights = new Weights(graph, source, PREFIX);
  const width = config.dim_model;

  // The encoder's tokens: [latent, state, environment, cells of each camera].
  const parts: Value[] = [];
  const positions: Value[] = [];
  let count = 1;
  let anyInput: Value | undefined;
  const vector = (name: string, projection: string, length: number | undefined) => {
    if (length === undefined) return;
    anyInput = graph.input(name, [OBSERVATIONS, length]);
    const token = linear(weights.part(projection), anyInput, length, width);
    parts.push(graph.node('Reshape', [token, graph.integers(-1, 1, width)]));
    count += 1;
  };
  vector('state', 'encoder_robot_state_input_proj', ports.stateLength);
  vector('environment', 'encoder_env_state_input_proj', ports.environmentLength);
  positions.push(weights.tensor('encoder_1d_feature_pos_embed.weight', [count, width]));
  ports.cameras.forEach((camera, index) => {
    const dilated = Boolean(config.replace_final_stride_with_dilation);
    const rows = featureExtent(camera.height, dilated);
    const columns = featureExtent(camera.width, dilated);
    anyInput = graph.input(cameraTokens(index), [OBSERVATIONS, rows * columns, width]);
    parts.push(anyInput);
    positions.push(graph.floats(sinePositions(rows, columns, width), [rows * columns, width]));
    count += rows * columns;
  });
  if (anyInput === undefined) throw new RangeError('ACT sees nothing');
  const forEach = forEachObservation(graph, anyInput);

  const zeros = graph.floats(new Float32Array(config.latent_dim), [1, config.latent_dim]);
  const latent = linear(weights.part('encoder_latent_input_proj'), zeros, config.latent_dim, width);
  const all = graph.node('Concat', [forEach(latent), ...parts], { axis: int(1) });
  const position = graph.node('Concat', positions, { axis: int(0) });

  let memory: Tokens = { rows: graph.node('Reshape', [all, graph.integers(-1, width)]), count };
  for (let layer = 0; layer < config.n_encoder_layers; layer++) {
    memory = encoderLayer(weights.part(`encoder.layers.${layer}`), config, memory, position);
  }
  if (config.pre_norm) {
    memory = { ...memory, rows: layerNorm(weights.part('encoder.norm'), memory.rows, width) };
  }

  const query = weights.tensor('decoder_pos_embed.weight', [config.chunk_size, width]);
  const key = placed(graph, memory, position, width);
  const nothing = graph.floats(new Float32Array(config.chunk_size * width), [config.chunk_size, width]);
  let x: Tokens = {
    rows: graph.node('Reshape', [forEach(nothing), graph.integers(-1, width)]),
    count: config.chunk_size,
  };
  for (let layer = 0; layer < config.n_decoder_layers; layer++) {
    x = decoderLayer(weights.part(`decoder.layers.${layer}`), config, x, query, { key, value: memory });
  }
  const last = layerNorm(weights.part('decoder.norm'), x.rows, width);
  const actions = linear(weights.part('action_head'), last, width, ports.actionLength);
  const shape = [config.chunk_size, ports.actionLength];
  const apart = graph.node('Reshape', [actions, graph.integers(-1, ...shape)]);
  graph.output('actions', apart, [OBSERVATIONS, ...shape]);
  return graph;
}

/** Repeats a value [tokens, width], the same for all, for each observation of an input. */
function forEachObservation(graph: Graph, input: Value): (x: Value) => Value {
  const first = graph.integers(0);
  const observations = graph.node('Slice', [graph.node('Shape', [input]), first, graph.integers(1), first]);
  const times = graph.node('Concat', [observations, graph.integers(1, 1)], { axis: int(0) });
  return (x) => graph.node('Expand', [x, times]);
}

/** Tokens with their positions, [count, width], added. */
function placed(graph: Graph, { rows, count }: Tokens, position: Value, width: number): Tokens {
  const apart = graph.node('Reshape', [rows, graph.integers(-1, count, width)]);
  const sum = graph.node('Add', [apart, position]);
  return { rows: graph.node('Reshape', [sum, graph.integers(-1, width)]), count };
}

function encoderLayer(weights: Weights, config: ActConfig, x: Tokens, position: Value): Tokens {
  const attended = residual(weights, config, x, 'norm1', (input) => {
    const query = placed(weights.graph, input, position, config.dim_model);
    return attention(weights.part('self_attn'), config, query, query, input);
  });
  return residual(weights, config, attended, 'norm2', (input) => feedForward(weights, config, input));
}

function decoderLayer(
  weights: Weights,
  config: ActConfig,
  x: Tokens,
  position: Value,
  memory: { readonly key: Tokens; readonly value: Tokens },
): Tokens {
  const { graph } = weights;
  const own = residual(weights, config, x, 'norm1', (input) => {
    const query = placed(graph, input, position, config.dim_model);
    return attention(weights.part('self_attn'), config, query, query, input);
  });
  const cross = residual(weights, config, own, 'norm2', (input) => {
    const query = placed(graph, input, position, config.dim_model);
    return attention(weights.part('multihead_attn'), config, query, memory.key, memory.value);
  });
  return residual(weights, config, cross, 'norm3', (input) => feedForward(weights, config, input));
}

/** `x + f(norm(x))` with pre-norm, `norm(x + f(x))` without. */
function residual(
  weights: Weights,
  config: ActConfig,
  x: Tokens,
  norm: string,
  f: (x: Tokens) => Value,
): Tokens {
  const normalise = (rows: Value) => layerNorm(weights.part(norm), rows, config.dim_model);
  const input = config.pre_norm ? { ...x, rows: normalise(x.rows) } : x;
  const sum = weights.graph.node('Add', [x.rows, f(input)]);
  return { ...x, rows: config.pre_norm ? sum : normalise(sum) };
}

function attention(weights: Weights, config: ActConfig, query: Tokens, key: Tokens, value: Tokens): Value {
  return multiHeadAttention(
    weights,
    { query: query.rows, key: key.rows, value: value.rows },
    {
      width: config.dim_model,
      heads: config.n_heads,
      queryTokens: query.count,
      keyTokens: key.count,
    },
  );
}

function feedForward(weights: Weights, config: ActConfig, { rows }: Tokens): Value {
  const hidden = linear(weights.part('linear1'), rows, config.dim_model, config.dim_feedforward);
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

/** What an ACT network runs on: its tensors, and those of them that activations are multiplied by. */
export function actInventory(config: ActConfig, ports: ActInterface): TensorInventory {
  const inventory = new TensorInventory();
  if (ports.cameras.length > 0) actBackbone(config, ports.cameras, inventory);
  actTransformer(config, ports, inventory);
  return inventory;
}
