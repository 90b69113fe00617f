/**
 * pi0 and pi0.5: the vision-language-action flow models of Black et al. 2024 (arXiv 2410.24164) and Physical
 * Intelligence 2025 (arXiv 2504.16054), as openpi and LeRobot train them.
 *
 * SigLIP turns each picture into tokens; Gemma reads them with the task's words, all seeing all. An action expert, a
 * narrower Gemma of the same depth, sees the keys and values of every layer of that prefix and answers the velocity
 * that carries noisy actions towards clean ones. pi0 adds the robot's state as a token of the expert and tells it
 * the flow's time through the actions; pi0.5 writes the state into the words and tells the time through the
 * expert's normalisations. pi0.5's language head can also go on with the words: a subtask.
 */
import { attend } from '../onnx/attention.ts';
import { gatedMlp, silu } from '../onnx/gated-mlp.ts';
import { Graph, int, type Value } from '../onnx/graph.ts';
import { linear, linearRows } from '../onnx/linear.ts';
import { adaptiveRmsNorm, gemmaRmsNorm } from '../onnx/rms-norm.ts';
import { rotate } from '../onnx/rotary.ts';
import { siglip } from '../onnx/siglip.ts';
import { type TensorSource, Weights } from '../onnx/weights.ts';
import type { PiConfig } from './pi-config.ts';
import type { GemmaSize, PiSizes } from './pi-sizes.ts';
import { EXPERT, LANGUAGE, PROJECTOR, VISION } from './pi-tensors.ts';

const EPSILON = 1e-6;

/** Part names without the dot that separates them. */
const part = (weights: Weights, prefix: string) => weights.part(prefix.slice(0, -1));

/** Names under which a layer's keys and values enter and leave a graph. */
export const keyName = (layer: number): string => `key_${layer}`;
export const valueName = (layer: number): string => `value_${layer}`;

/** Name of the input that takes a camera's tokens. */
export const cameraName = (index: number): string => `camera_${index}`;

interface KeysAndValues {
  readonly keys: Value;
  readonly values: Value;
}

interface Rotary {
  readonly cos: Value;
  readonly sin: Value;
}

/** Picture [1, 3, side, side], -1 to 1, to tokens [patches, language width]: runs once for each camera. */
export function piVision({ vision, language }: PiSizes, side: number, source: TensorSource): Graph {
  const graph = new Graph('pi-vision');
  const weights = new Weights(graph, source);
  const picture = graph.input('picture', [1, 3, side, side]);
  const seen = siglip(part(weights, VISION), picture, { ...vision, side });
  const tokens = linear(part(weights, PROJECTOR), seen, vision.width, language.width);
  graph.output('tokens', tokens, ['patches', language.width]);
  return graph;
}

/**
 * Reads tokens after those whose keys and values are given, and answers the keys and values of all. The tokens of one
 * run all see each other: the whole prefix in one run, a continuation token by token. The last layer's keys and
 * values are all anyone sees of it; `last`, the last token on its way into it, is for `piFinish`.
 */
export function piLanguage(sizes: PiSizes, cameras: number, source: TensorSource): Graph {
  const { language: size, vocabulary } = sizes;
  const graph = new Graph('pi-language');
  const weights = part(new Weights(graph, source), LANGUAGE);
  const pictures = Array.from({ length: cameras }, (_, index) =>
    graph.input(cameraName(index), [`camera ${index}`, size.width]),
  );
  const ids = graph.input('ids', ['words'], 'I64');
  const rotary = rotaryInput(graph, size);
  const words = weights.lookup('embed_tokens.weight', [vocabulary, size.width], ids);
  const scaled = graph.node('Mul', [words, graph.floats(Float32Array.of(Math.sqrt(size.width)), [])]);

  let x = graph.node('Concat', [...pictures, scaled], { axis: int(0) });
  for (let layer = 0; layer < size.layers; layer++) {
    const own = weights.part(`layers.${layer}`);
    const quiet = gemmaRmsNorm(own.part('input_layernorm'), x, size.width, EPSILON);
    const kept = keysAndValues(own, quiet, size, size.width, rotary, layer);
    graph.output(keyName(layer), kept.keys, ['seen', kvWidth(size)]);
    graph.output(valueName(layer), kept.values, ['seen', kvWidth(size)]);
    if (layer === size.layers - 1) break;
    x = graph.node('Add', [x, attention(own, quiet, kept, size, size.width, rotary)]);
    const calm = gemmaRmsNorm(own.part('post_attention_layernorm'), x, size.width, EPSILON);
    x = graph.node('Add', [x, gatedMlp(own.part('mlp'), calm, { ...size, activation: 'gelu_tanh' })]);
  }
  const last = graph.node('Slice', [x, graph.integers(-1), graph.integers(2 ** 31), graph.integers(0)]);
  graph.output('last', last, [1, size.width]);
  return graph;
}

/** What is left of the language model for its last token: the rest of the last layer, and the final norm. */
export function piFinish({ language: size }: PiSizes, source: TensorSource): Graph {
  const graph = new Graph('pi-finish');
  const weights = part(new Weights(graph, source), LANGUAGE);
  const own = weights.part(`layers.${size.layers - 1}`);
  const last = graph.input('last', [1, size.width]);
  const kept = {
    keys: graph.input('keys', ['seen', kvWidth(size)]),
    values: graph.input('values', ['seen', kvWidth(size)]),
  };
  const rotary = rotaryInput(graph, size);
  const quiet = gemmaRmsNorm(own.part('input_layernorm'), last, size.width, EPSILON);
  const x = graph.node('Add', [last, attention(own, quiet, kept, size, size.width, rotary)]);
  const calm = gemmaRmsNorm(own.part('post_attention_layernorm'), x, size.width, EPSILON);
  const out = graph.node('Add', [x, gatedMlp(own.part('mlp'), calm, { ...size, activation: 'gelu_tanh' })]);
  graph.output('hidden', gemmaRmsNorm(weights.part('norm'), out, size.width, EPSILON), [1, size.width]);
  return graph;
}

/** Rows of the vocabulary that are widened at a time. */
const HEAD_ROWS = 16_384;

/** Logits of the next token, [1, vocabulary]: the embedding's own rows, a piece at a time so that no copy is kept. */
export function piLogits({ language, vocabulary }: PiSizes, source: TensorSource): Graph {
  const graph = new Graph('pi-logits');
  const weights = part(new Weights(graph, source), LANGUAGE);
  const hidden = graph.input('hidden', [1, language.width]);
  const pieces: Value[] = [];
  for (let first = 0; first < vocabulary; first += HEAD_ROWS) {
    const rows = Math.min(HEAD_ROWS, vocabulary - first);
    const shape = [vocabulary, language.width] as const;
    pieces.push(linearRows(weights, hidden, { weight: 'embed_tokens.weight', shape, first, count: rows }));
  }
  graph.output('logits', graph.node('Concat', pieces, { axis: int(1) }), [1, vocabulary]);
  return graph;
}

/**
 * pi0.5: times, embedded [times, width], to what they make of the expert's normalisations, [times, norms, 3 * width]:
 * scale, shift and gate of two for each layer and the last. They depend on nothing else, so a step reads them off.
 */
export function piModulation({ expert: { width, layers } }: PiSizes, source: TensorSource): Graph {
  const graph = new Graph('pi-modulation');
  const weights = new Weights(graph, source);
  const times = graph.input('times', ['times', width]);
  const into = silu(graph, linear(weights.part('time_mlp_in'), times, width, width));
  const condition = silu(graph, linear(weights.part('time_mlp_out'), into, width, width));
  const expert = part(weights, EXPERT);
  const norms = Array.from({ length: layers }, (_, layer) =>
    ['input_layernorm', 'post_attention_layernorm'].map((name) => expert.part(`layers.${layer}.${name}`)),
  ).flat();
  const rows = [...norms, expert.part('norm')].map((norm) =>
    graph.node('Unsqueeze', [linear(norm.part('dense'), condition, width, 3 * width), graph.integers(1)]),
  );
  graph.output('modulation', graph.node('Concat', rows, { axis: int(1) }), ['times', 'norms', 3 * width]);
  return graph;
}

/**
 * One step of the flow: noisy actions [rows, max_action_dim] to their velocity.
 * pi0.5 takes `modulation` and `moments`, the row of it for all actions or for each;
 * pi0 takes the embedded `time` [1, width], `state` [1, max_state_dim], and `mask`, which keeps the state from
 * seeing actions.
 */
export function piStep(config: PiConfig, sizes: PiSizes, source: TensorSource): Graph {
  const { expert: size } = sizes;
  const { width } = size;
  const rows = config.chunk_size;
  const graph = new Graph('pi-step');
  const weights = new Weights(graph, source);
  const actions = graph.input('actions', [rows, config.max_action_dim]);
  const rotary = rotaryInput(graph, size);
  const embedded = linear(weights.part('action_in_proj'), actions, config.max_action_dim, width);
  const adaptive = config.type === 'pi05' ? modulations(graph, size) : undefined;
  const mask = adaptive === undefined ? graph.input('mask', ['suffix', 'all']) : undefined;

  let x = adaptive === undefined ? stateAndActions(weights, config, embedded, width) : embedded;
  const expert = part(weights, EXPERT);
  const normalise = (own: Weights, name: string, input: Value, index: number): Normalised =>
    adaptive === undefined
      ? { out: gemmaRmsNorm(own.part(name), input, width, EPSILON) }
      : {
          out: adaptiveRmsNorm(graph, input, adaptive(index), width, EPSILON),
          gate: adaptive(index).gate,
        };
  const residual = (input: Value, update: Value, gate: Value | undefined) =>
    graph.node('Add', [input, gate === undefined ? update : graph.node('Mul', [update, gate])]);
  for (let layer = 0; layer < size.layers; layer++) {
    const own = expert.part(`layers.${layer}`);
    const first = normalise(own, 'input_layernorm', x, 2 * layer);
    const all = keysAndValues(own, first.out, size, width, rotary, layer);
    x = residual(x, attention(own, first.out, all, size, width, rotary, mask), first.gate);
    const second = normalise(own, 'post_attention_layernorm', x, 2 * layer + 1);
    const update = gatedMlp(own.part('mlp'), second.out, { ...size, activation: 'gelu_tanh' });
    x = residual(x, update, second.gate);
  }
  const { out } = normalise(expert, 'norm', x, 2 * size.layers);
  const last =
    adaptive === undefined
      ? graph.node('Slice', [out, graph.integers(1), graph.integers(rows + 1), graph.integers(0)])
      : out;
  const velocity = linear(weights.part('action_out_proj'), last, width, config.max_action_dim);
  graph.output('velocity', velocity, [rows, config.max_action_dim]);
  return graph;
}

interface Normalised {
  readonly out: Value;
  readonly gate?: Value;
}

interface Modulation {
  readonly scale: Value;
  readonly shift: Value;
  readonly gate: Value;
}

/** Reads scale, shift and gate of a norm off the table, for the moments of this step. */
function modulations(graph: Graph, { width, layers }: GemmaSize): (norm: number) => Modulation {
  const norms = 2 * layers + 1;
  const table = graph.input('modulation', ['times', norms, 3 * width]);
  const moments = graph.input('moments', ['moments'], 'I64');
  const now = graph.node('Gather', [table, moments], { axis: int(0) });
  const flat = graph.node('Reshape', [now, graph.integers(-1, norms * 3 * width)]);
  const piece = (norm: number, third: number) => {
    const first = (3 * norm + third) * width;
    const [from, to] = [graph.integers(first), graph.integers(first + width)];
    return graph.node('Slice', [flat, from, to, graph.integers(1)]);
  };
  const all = Array.from({ length: norms }, (_, norm) => ({
    scale: piece(norm, 0),
    shift: piece(norm, 1),
    gate: piece(norm, 2),
  }));
  return (norm) => all[norm] as Modulation;
}

/** pi0's suffix: the state's token, and the actions' after a small network told them the time. */
function stateAndActions(weights: Weights, config: PiConfig, embedded: Value, width: number): Value {
  const { graph } = weights;
  const state = graph.input('state', [1, config.max_state_dim]);
  const time = graph.node('Expand', [
    graph.input('time', [1, width]),
    graph.integers(config.chunk_size, width),
  ]);
  const both = graph.node('Concat', [embedded, time], { axis: int(1) });
  const into = silu(graph, linear(weights.part('action_time_mlp_in'), both, 2 * width, width));
  const timed = linear(weights.part('action_time_mlp_out'), into, width, width);
  const token = linear(weights.part('state_proj'), state, config.max_state_dim, width);
  return graph.node('Concat', [token, timed], { axis: int(0) });
}

const kvWidth = ({ kvHeads, headWidth }: GemmaSize) => kvHeads * headWidth;

function rotaryInput(graph: Graph, { headWidth }: GemmaSize): Rotary {
  return {
    cos: graph.input('cos', ['tokens', headWidth / 2]),
    sin: graph.input('sin', ['tokens', headWidth / 2]),
  };
}

/** Keys and values of these tokens, after those that enter the graph. */
function keysAndValues(
  weights: Weights,
  x: Value,
  size: GemmaSize,
  width: number,
  rotary: Rotary,
  layer: number,
): KeysAndValues {
  const { graph } = weights;
  const own = weights.part('self_attn');
  const project = (name: string) => linear(own.part(name), x, width, kvWidth(size), { bias: false });
  const keys = rotate(graph, project('k_proj'), rotary, size.kvHeads, size.headWidth);
  const before = (name: string) => graph.input(name, ['before', kvWidth(size)]);
  const join = (earlier: Value, these: Value) => graph.node('Concat', [earlier, these], { axis: int(0) });
  return {
    keys: join(before(`past_${keyName(layer)}`), keys),
    values: join(before(`past_${valueName(layer)}`), project('v_proj')),
  };
}

function attention(
  weights: Weights,
  x: Value,
  { keys, values }: KeysAndValues,
  { heads, kvHeads, headWidth }: GemmaSize,
  width: number,
  rotary: Rotary,
  mask?: Value,
): Value {
  const own = weights.part('self_attn');
  const inner = heads * headWidth;
  const projected = linear(own.part('q_proj'), x, width, inner, { bias: false });
  const queries = rotate(weights.graph, projected, rotary, heads, headWidth);
  const mixed = attend(weights, queries, keys, values, { width: inner, heads, kvHeads }, mask);
  return linear(own.part('o_proj'), mixed, inner, width, { bias: false });
}
