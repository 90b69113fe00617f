import { int, ints, type Value } from './graph.ts';
import { groupNorm } from './group-norm.ts';
import { linear } from './linear.ts';
import type { Weights } from './weights.ts';

export interface UNet1dShape {
  /** Channels of what goes in and comes out. */
  readonly channels: number;
  /** Channels of each level; time halves from one to the next. */
  readonly levels: readonly number[];
  /** Taps of a convolution, odd. */
  readonly kernel: number;
  /** Groups that normalisation takes channels in. */
  readonly groups: number;
  readonly conditionWidth: number;
  /** Whether the condition scales channels besides shifting them. */
  readonly scales: boolean;
}

/** Groups in front of the last convolution, whatever the shape says. */
const FINAL_GROUPS = 8;

/**
 * A U-Net over time whose blocks are conditioned by FiLM (Chi et al. 2023, arXiv 2303.04137, section III-A, after
 * Janner et al. 2022, arXiv 2205.09991). Parameter names as in LeRobot.
 *
 * @param x [1, channels, time]; time is divisible by two to the power of the levels below the first
 * @param condition [1, conditionWidth]
 * @returns [1, channels, time]
 */
export function unet1d(weights: Weights, x: Value, condition: Value, shape: UNet1dShape): Value {
  const { graph } = weights;
  const { levels } = shape;
  const activated = graph.node('Mish', [condition]);
  const block = (name: string, value: Value, inputs: number, outputs: number) =>
    residualBlock(weights.part(name), value, activated, { ...shape, inputs, outputs });
  const lowest = levels.length - 1;

  let value = x;
  let width = shape.channels;
  const skips: Value[] = [];
  for (const [level, outputs] of levels.entries()) {
    value = block(`down_modules.${level}.0`, value, width, outputs);
    value = block(`down_modules.${level}.1`, value, outputs, outputs);
    skips.push(value);
    if (level < lowest) value = halve(weights.part(`down_modules.${level}.2`), value, outputs);
    width = outputs;
  }
  for (const middle of [0, 1]) value = block(`mid_modules.${middle}`, value, width, width);
  for (let level = lowest; level > 0; level--) {
    const name = `up_modules.${lowest - level}`;
    const outputs = levels[level - 1] as number;
    value = graph.node('Concat', [value, skips[level] as Value], { axis: int(1) });
    value = block(`${name}.0`, value, 2 * width, outputs);
    value = block(`${name}.1`, value, outputs, outputs);
    value = double(weights.part(`${name}.2`), value, outputs);
    width = outputs;
  }
  const final = convolutionBlock(weights.part('final_conv.0'), value, {
    ...shape,
    inputs: width,
    outputs: width,
    groups: FINAL_GROUPS,
  });
  return convolve(weights.part('final_conv.1'), final, { inputs: width, outputs: shape.channels, kernel: 1 });
}

interface Widths {
  readonly inputs: number;
  readonly outputs: number;
}

/** Two convolutions, the condition between them, and what came in added at the end. */
function residualBlock(weights: Weights, x: Value, condition: Value, shape: UNet1dShape & Widths): Value {
  const { graph } = weights;
  const { inputs, outputs, conditionWidth, scales } = shape;
  const first = convolutionBlock(weights.part('conv1'), x, shape);
  const parts = scales ? 2 : 1;
  const film = graph.node('Reshape', [
    linear(weights.part('cond_encoder.1'), condition, conditionWidth, parts * outputs),
    graph.integers(parts, outputs, 1),
  ]);
  const row = (index: number) => graph.node('Gather', [film, graph.integers(index)], { axis: int(0) });
  const modulated = scales
    ? graph.node('Add', [graph.node('Mul', [first, row(0)]), row(1)])
    : graph.node('Add', [first, film]);
  const second = convolutionBlock(weights.part('conv2'), modulated, { ...shape, inputs: outputs });
  const skip =
    inputs === outputs ? x : convolve(weights.part('residual_conv'), x, { inputs, outputs, kernel: 1 });
  return graph.node('Add', [second, skip]);
}

function convolutionBlock(
  weights: Weights,
  x: Value,
  { inputs, outputs, kernel, groups }: Widths & { readonly kernel: number; readonly groups: number },
): Value {
  const convolved = convolve(weights.part('block.0'), x, { inputs, outputs, kernel });
  const normalised = groupNorm(weights.part('block.1'), convolved, { channels: outputs, groups, axes: 1 });
  return weights.graph.node('Mish', [normalised]);
}

function convolve(
  weights: Weights,
  x: Value,
  { inputs, outputs, kernel, stride = 1 }: Widths & { readonly kernel: number; readonly stride?: number },
): Value {
  const pad = (kernel - 1) / 2;
  return weights.graph.node(
    'Conv',
    [x, weights.tensor('weight', [outputs, inputs, kernel]), weights.tensor('bias', [outputs])],
    { kernel_shape: ints(kernel), strides: ints(stride), pads: ints(pad, pad) },
  );
}

const halve = (weights: Weights, x: Value, width: number) =>
  convolve(weights, x, { inputs: width, outputs: width, kernel: 3, stride: 2 });

function double(weights: Weights, x: Value, width: number): Value {
  return weights.graph.node(
    'ConvTranspose',
    [x, weights.tensor('weight', [width, width, 4]), weights.tensor('bias', [width])],
    { kernel_shape: ints(4), strides: ints(2), pads: ints(1, 1) },
  );
}
