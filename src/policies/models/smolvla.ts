/**
 * SmolVLA: the small vision-language-action model of Shukor et al. 2025 (arXiv 2506.01844), as LeRobot trains it.
 *
 * SigLIP turns each picture into a few tokens; the first layers of SmolLM2 read them with the task's words and the
 * robot's state. An action expert, a narrower transformer beside it, looks at the keys and values of each of those
 * layers and answers the velocity that carries noisy actions towards clean ones.
 */
import { attend } from '../onnx/attention.ts';
import { gatedMlp, silu } from '../onnx/gated-mlp.ts';
import { Graph, int, ints, type Value } from '../onnx/graph.ts';
import { linear } from '../onnx/linear.ts';
import { rmsNorm } from '../onnx/rms-norm.ts';
import { positionsFrom, rotaryTable, rotate } from '../onnx/rotary.ts';
import { siglip } from '../onnx/siglip.ts';
import { type TensorSource, Weights } from '../onnx/weights.ts';
import type { SmolVlaConfig } from './smolvla-config.ts';
import type { ExpertLayer } from './smolvla-layers.ts';
import { EXPERT, HEAD_WIDTH, MODEL, type SmolVlaSizes, VLM } from './smolvla-sizes.ts';

const EPSILON = 1e-5;

/** Names under which an expert layer's view of the prefix leaves one graph and enters the other. */
export const keysName = ({ expert }: ExpertLayer): string => `keys_${expert}`;
export const valuesName = ({ expert }: ExpertLayer): string => `values_${expert}`;

interface Rotary {
  readonly cos: Value;
  readonly sin: Value;
}

const rotaryInputs = (graph: Graph, tokens: number | string): Rotary => ({
  cos: graph.input('cos', [tokens, HEAD_WIDTH / 2]),
  sin: graph.input('sin', [tokens, HEAD_WIDTH / 2]),
});

const part = (weights: Weights, prefix: string): Weights => weights.part(prefix.slice(0, -1));

/** Picture [1, 3, side, side], -1 to 1, to tokens [cells, text width]: runs once for each camera. */
export function smolVlaVision(sizes: SmolVlaSizes, side: number, source: TensorSource): Graph {
  const graph = new Graph('smolvla-vision');
  const weights = part(new Weights(graph, source), VLM);
  const { vision, shuffle, text } = sizes;
  const seen = siglip(weights.part('vision_model'), graph.input('picture', [1, 3, side, side]), {
    ...vision,
    side,
    positionRows: positionRows(vision.positions, Math.floor(side / vision.patch)),
  });
  const joined = joinPatches(graph, seen, Math.floor(side / vision.patch), vision.width, shuffle);
  const projection = weights.part('connector.modality_projection.proj');
  const tokens = linear(projection, joined, vision.width * shuffle ** 2, text.width, { bias: false });
  graph.output('tokens', times(graph, tokens, Math.sqrt(text.width)), ['cells', text.width]);
  return graph;
}

/**
 * Rows of the table of positions for a square of patches: the table was learnt on one square, and another is laid
 * over it.
 * @returns undefined when they are the same
 */
export function positionRows(positions: number, patches: number): number[] | undefined {
  const learnt = Math.sqrt(positions);
  if (learnt === patches) return undefined;
  const step = Math.fround(1 / patches);
  const edges = Array.from({ length: learnt - 1 }, (_, i) => Math.fround((i + 1) / learnt));
  const along = Array.from({ length: patches }, (_, i) => {
    const at = Math.min(Math.fround(i * step), Math.fround(1 - 1e-6));
    return edges.filter((edge) => edge <= at).length;
  });
  return along.flatMap((row) => along.map((column) => row * learnt + column));
}

/** Squares of `shuffle` x `shuffle` patches to one token each, their numbers side by side. */
function joinPatches(graph: Graph, x: Value, patches: number, width: number, shuffle: number): Value {
  const cells = Math.floor(patches / shuffle);
  const reshape = (value: Value, ...shape: number[]) =>
    graph.node('Reshape', [value, graph.integers(...shape)]);
  const turn = (value: Value) => graph.node('Transpose', [value], { perm: ints(1, 0, 2) });
  const rows = turn(reshape(x, patches, cells, width * shuffle));
  return reshape(turn(reshape(rows, cells, cells, width * shuffle ** 2)), cells * cells, -1);
}

/**
 * Reads the prefix: pictures' tokens, words, state. Pictures and words see each other and not the state, which sees
 * all. Answers what each expert layer sees of it: keys and values, [prefix, kvHeads * headWidth].
 */
export function smolVlaPrefix(
  config: SmolVlaConfig,
  sizes: SmolVlaSizes,
  layers: readonly ExpertLayer[],
  source: TensorSource,
): Graph {
  const graph = new Graph('smolvla-prefix');
  const weights = new Weights(graph, source);
  const model = part(weights, VLM).part('text_model');
  const mask = graph.input('mask', ['prefix', 'prefix']);
  const rotary = rotaryInputs(graph, 'prefix');
  const last = layers.at(-1)?.text ?? 0;

  let x = prefixTokens(weights, config, sizes);
  for (let layer = 0; layer <= last; layer++) {
    const own = model.part(`layers.${layer}`);
    const quiet = rmsNorm(own.part('input_layernorm'), x, sizes.text.width, EPSILON);
    const { keys, values } = keysAndValues(own, quiet, sizes, sizes.text.width, rotary);
    for (const seer of layers) if (seer.text === layer) outputSight(weights, sizes, seer, keys, values);
    // Of the last layer nobody sees more.
    if (layer === last) break;
    const queries = headQueries(own, quiet, sizes, sizes.text.width, rotary);
    const mixed = attend(weights, queries, keys, values, attentionShape(sizes), mask);
    x = finishLayer(own, x, mixed, sizes, sizes.text);
  }
  return graph;
}

/** Tokens of the prefix, in order. */
function prefixTokens(weights: Weights, config: SmolVlaConfig, { text }: SmolVlaSizes): Value {
  const { graph } = weights;
  const pictures = graph.input('pictures', ['cells', text.width]);
  const ids = graph.input('ids', ['words'], 'I64');
  const words = part(weights, VLM).lookup(
    'text_model.embed_tokens.weight',
    [text.vocabulary, text.width],
    ids,
  );
  const state = linear(
    weights.part(`${MODEL}state_proj`),
    graph.input('state', [1, config.max_state_dim]),
    config.max_state_dim,
    text.width,
  );
  const concat = (...parts: Value[]) => graph.node('Concat', parts, { axis: int(0) });
  if (!config.add_image_special_tokens) {
    return concat(pictures, times(graph, words, Math.sqrt(text.width)), state);
  }
  // Marks stand around each picture, unscaled: rows are looked up in order, [pictures, words and marks, state].
  const scaled = graph.node('Mul', [words, graph.input('scale', ['words', 1])]);
  const order = graph.input('order', ['prefix'], 'I64');
  return graph.node('Gather', [concat(pictures, scaled, state), order], { axis: int(0) });
}

/** What one expert layer sees of a layer's keys and values; through its own projections when it looks across. */
function outputSight(
  weights: Weights,
  sizes: SmolVlaSizes,
  layer: ExpertLayer,
  keys: Value,
  values: Value,
): void {
  const width = sizes.kvHeads * HEAD_WIDTH;
  const attention = part(weights, EXPERT).part(`layers.${layer.expert}.self_attn`);
  const seen = (name: string, x: Value) =>
    layer.attention === 'self' ? x : linear(attention.part(name), x, width, width, { bias: false });
  weights.graph.output(keysName(layer), seen('k_proj', keys), ['prefix', width]);
  weights.graph.output(valuesName(layer), seen('v_proj', values), ['prefix', width]);
}

/** One denoising step: actions [chunk_size, max_action_dim] and the time's embedding to their velocity. */
export function smolVlaStep(
  config: SmolVlaConfig,
  sizes: SmolVlaSizes,
  layers: readonly ExpertLayer[],
  source: TensorSource,
): Graph {
  const graph = new Graph('smolvla-step');
  const weights = new Weights(graph, source);
  const model = part(weights, MODEL);
  const { width } = sizes.expert;
  const { chunk_size: rows, max_action_dim: actionWidth } = config;
  const kvWidth = sizes.kvHeads * HEAD_WIDTH;

  const actions = linear(
    model.part('action_in_proj'),
    graph.input('actions', [rows, actionWidth]),
    actionWidth,
    width,
  );
  const time = graph.node('Expand', [graph.input('time', [1, width]), graph.integers(rows, width)]);
  const both = graph.node('Concat', [actions, time], { axis: int(1) });
  const mixedIn = linear(model.part('action_time_mlp_in'), both, 2 * width, width);
  let x = linear(model.part('action_time_mlp_out'), silu(graph, mixedIn), width, width);

  const sight = layers.map((layer) => ({
    layer,
    keys: graph.input(keysName(layer), ['prefix', kvWidth]),
    values: graph.input(valuesName(layer), ['prefix', kvWidth]),
  }));
  // Looking at itself, an action stands behind the prefix; looking across, the first one stands at zero.
  const behind = layers.some(({ attention }) => attention === 'self') ? selfView(graph, rows) : undefined;
  const start = rotaryTable(positionsFrom(0, rows), HEAD_WIDTH);
  const fromZero = {
    cos: graph.floats(start.cos.data as Float32Array, start.cos.shape),
    sin: graph.floats(start.sin.data as Float32Array, start.sin.shape),
  };
  const expert = part(weights, EXPERT);
  for (const { layer, keys, values } of sight) {
    const own = expert.part(`layers.${layer.expert}`);
    const quiet = rmsNorm(own.part('input_layernorm'), x, width, EPSILON);
    let mixed: Value;
    if (layer.attention === 'self' && behind !== undefined) {
      const fresh = keysAndValues(own, quiet, sizes, width, behind.rotary);
      const queries = headQueries(own, quiet, sizes, width, behind.rotary);
      const concat = (...parts: Value[]) => graph.node('Concat', parts, { axis: int(0) });
      mixed = attend(
        weights,
        queries,
        concat(keys, fresh.keys),
        concat(values, fresh.values),
        attentionShape(sizes),
        behind.mask,
      );
    } else {
      const queries = headQueries(own, quiet, sizes, width, fromZero);
      mixed = attend(weights, queries, keys, values, attentionShape(sizes));
    }
    x = finishLayer(own, x, mixed, sizes, sizes.expert);
  }
  x = rmsNorm(expert.part('norm'), x, width, EPSILON);
  graph.output('velocity', linear(model.part('action_out_proj'), x, width, actionWidth), [rows, actionWidth]);
  return graph;
}

/** What layers that look at themselves need: positions behind the prefix, and a mask over the future. */
const selfView = (graph: Graph, rows: number): { rotary: Rotary; mask: Value } => ({
  rotary: rotaryInputs(graph, rows),
  mask: graph.input('mask', [rows, 'seen']),
});

const attentionShape = ({ heads, kvHeads }: SmolVlaSizes) => ({ width: heads * HEAD_WIDTH, heads, kvHeads });

function headQueries(
  layer: Weights,
  x: Value,
  { heads }: SmolVlaSizes,
  width: number,
  rotary: Rotary,
): Value {
  const projected = linear(layer.part('self_attn.q_proj'), x, width, heads * HEAD_WIDTH, { bias: false });
  return rotate(layer.graph, projected, rotary, heads, HEAD_WIDTH);
}

function keysAndValues(
  layer: Weights,
  x: Value,
  { kvHeads }: SmolVlaSizes,
  width: number,
  rotary: Rotary,
): { keys: Value; values: Value } {
  const project = (name: string) =>
    linear(layer.part(`self_attn.${name}`), x, width, kvHeads * HEAD_WIDTH, { bias: false });
  return {
    keys: rotate(layer.graph, project('k_proj'), rotary, kvHeads, HEAD_WIDTH),
    values: project('v_proj'),
  };
}

/** What follows attention in a layer: projection back, residual, gated feed-forward, residual. */
function finishLayer(
  layer: Weights,
  x: Value,
  mixed: Value,
  { heads }: SmolVlaSizes,
  { width, hidden }: { readonly width: number; readonly hidden: number },
): Value {
  const { graph } = layer;
  const back = linear(layer.part('self_attn.o_proj'), mixed, heads * HEAD_WIDTH, width, { bias: false });
  const attended = graph.node('Add', [x, back]);
  const calm = rmsNorm(layer.part('post_attention_layernorm'), attended, width, EPSILON);
  const fed = gatedMlp(layer.part('mlp'), calm, { width, hidden, activation: 'silu' });
  return graph.node('Add', [attended, fed]);
}

const times = (graph: Graph, x: Value, factor: number): Value =>
  graph.node('Mul', [x, graph.floats(Float32Array.of(factor), [])]);
