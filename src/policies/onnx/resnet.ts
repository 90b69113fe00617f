import { ints, type Value } from './graph.ts';
import { groupNorm } from './group-norm.ts';
import type { Weights } from './weights.ts';

/** Residual networks (He et al. 2015, arXiv 1512.03385) with torchvision's layout and parameter names. */
export interface ResNetShape {
  /** Blocks in each of the four stages. */
  readonly blocks: readonly [number, number, number, number];
  /** Three convolutions with a wide result in place of two. */
  readonly bottleneck: boolean;
  /** Channels of the last feature map. */
  readonly channels: number;
}

const shape = (bottleneck: boolean, ...blocks: [number, number, number, number]): ResNetShape => ({
  blocks,
  bottleneck,
  channels: bottleneck ? 2048 : 512,
});

export const RESNETS: ReadonlyMap<string, ResNetShape> = new Map([
  ['resnet18', shape(false, 2, 2, 2, 2)],
  ['resnet34', shape(false, 3, 4, 6, 3)],
  ['resnet50', shape(true, 3, 4, 6, 3)],
  ['resnet101', shape(true, 3, 4, 23, 3)],
  ['resnet152', shape(true, 3, 8, 36, 3)],
]);

/** How a network differs from torchvision's own. */
export interface ResNetOptions {
  /** The last stage dilates instead of striding, so that its map stays twice as large. Default: it strides. */
  readonly dilateLast?: boolean;
  /** What stands in place of each batch normalisation. `group`: groups of 16 channels. Default `batch`. */
  readonly norm?: 'batch' | 'group';
  /** Names of the parts. Default: torchvision's. */
  readonly names?: ResNetNames;
}

export interface ResNetNames {
  readonly stem: string;
  readonly stemNorm: string;
  /** Of the four stages. */
  readonly stages: readonly [string, string, string, string];
}

const TORCHVISION: ResNetNames = {
  stem: 'conv1',
  stemNorm: 'bn1',
  stages: ['layer1', 'layer2', 'layer3', 'layer4'],
};

/** Names in a `torch.nn.Sequential` of the network's children, ReLU and pooling counted. */
export const SEQUENTIAL: ResNetNames = { stem: '0', stemNorm: '1', stages: ['4', '5', '6', '7'] };

const GROUP_CHANNELS = 16;

interface Convolution {
  readonly inputs: number;
  readonly outputs: number;
  readonly size: number;
  readonly stride?: number;
  readonly dilation?: number;
}

/** Extent of the last feature map for a picture extent; every halving rounds up. */
export function featureExtent(pictureExtent: number, dilateLast: boolean): number {
  const halvings = dilateLast ? 4 : 5;
  let extent = pictureExtent;
  for (let i = 0; i < halvings; i++) extent = Math.ceil(extent / 2);
  return extent;
}

/** From pictures [batch, 3, height, width] to the last feature map [batch, channels, height / 32, width / 32]. */
export function resNet(
  weights: Weights,
  pictures: Value,
  net: ResNetShape,
  { dilateLast = false, norm = 'batch', names = TORCHVISION }: ResNetOptions = {},
): Value {
  const { graph } = weights;
  const normalise = norm === 'batch' ? batchNorm : groupsNorm;
  const stem = convolve(weights, pictures, names.stem, { inputs: 3, outputs: 64, size: 7, stride: 2 });
  let x = graph.node('Relu', [normalise(weights.part(names.stemNorm), stem, 64)]);
  x = graph.node('MaxPool', [x], { kernel_shape: ints(3, 3), strides: ints(2, 2), pads: ints(1, 1, 1, 1) });
  let inputs = 64;
  net.blocks.forEach((count, stage) => {
    const channels = 64 * 2 ** stage;
    const outputs = net.bottleneck ? 4 * channels : channels;
    const dilate = dilateLast && stage === 3;
    for (let block = 0; block < count; block++) {
      const part = weights.part(`${names.stages[stage]}.${block}`);
      const stride = block === 0 && stage > 0 && !dilate ? 2 : 1;
      const dilation = dilate && block > 0 ? 2 : 1;
      const skip =
        stride !== 1 || inputs !== outputs
          ? downsample(part.part('downsample'), x, { inputs, outputs, stride, normalise })
          : x;
      const deep = net.bottleneck
        ? bottleneck(part, x, { inputs, channels, outputs, stride, dilation, normalise })
        : basic(part, x, { inputs, channels, stride, normalise });
      x = graph.node('Relu', [graph.node('Add', [deep, skip])]);
      inputs = outputs;
    }
  });
  return x;
}

type Normalise = (weights: Weights, x: Value, channels: number) => Value;

type Sizes<Name extends string> = Readonly<Record<Name, number>> & { readonly normalise: Normalise };

function basic(
  weights: Weights,
  x: Value,
  { inputs, channels, stride, normalise }: Sizes<'inputs' | 'channels' | 'stride'>,
): Value {
  const first = convolve(weights, x, 'conv1', { inputs, outputs: channels, size: 3, stride });
  const middle = weights.graph.node('Relu', [normalise(weights.part('bn1'), first, channels)]);
  const second = convolve(weights, middle, 'conv2', { inputs: channels, outputs: channels, size: 3 });
  return normalise(weights.part('bn2'), second, channels);
}

function bottleneck(
  weights: Weights,
  x: Value,
  {
    inputs,
    channels,
    outputs,
    stride,
    dilation,
    normalise,
  }: Sizes<'inputs' | 'channels' | 'outputs' | 'stride' | 'dilation'>,
): Value {
  const relu = (value: Value) => weights.graph.node('Relu', [value]);
  const narrow = convolve(weights, x, 'conv1', { inputs, outputs: channels, size: 1 });
  const first = relu(normalise(weights.part('bn1'), narrow, channels));
  const spread = convolve(weights, first, 'conv2', {
    inputs: channels,
    outputs: channels,
    size: 3,
    stride,
    dilation,
  });
  const second = relu(normalise(weights.part('bn2'), spread, channels));
  const wide = convolve(weights, second, 'conv3', { inputs: channels, outputs, size: 1 });
  return normalise(weights.part('bn3'), wide, outputs);
}

function downsample(
  weights: Weights,
  x: Value,
  { inputs, outputs, stride, normalise }: Sizes<'inputs' | 'outputs' | 'stride'>,
): Value {
  const projected = convolve(weights, x, '0', { inputs, outputs, size: 1, stride });
  return normalise(weights.part('1'), projected, outputs);
}

function convolve(weights: Weights, x: Value, name: string, convolution: Convolution): Value {
  const { inputs, outputs, size, stride = 1, dilation = 1 } = convolution;
  const pad = dilation * ((size - 1) / 2);
  return weights.graph.node('Conv', [x, weights.tensor(`${name}.weight`, [outputs, inputs, size, size])], {
    kernel_shape: ints(size, size),
    strides: ints(stride, stride),
    dilations: ints(dilation, dilation),
    pads: ints(pad, pad, pad, pad),
  });
}

/** Batch normalisation with frozen statistics; the runtime folds it into the convolution before it. */
function batchNorm(weights: Weights, x: Value, channels: number): Value {
  const vector = (name: string) => weights.tensor(name, [channels]);
  return weights.graph.node(
    'BatchNormalization',
    [x, vector('weight'), vector('bias'), vector('running_mean'), vector('running_var')],
    { epsilon: 1e-5 },
  );
}

function groupsNorm(weights: Weights, x: Value, channels: number): Value {
  return groupNorm(weights, x, { channels, groups: channels / GROUP_CHANNELS, axes: 2 });
}
