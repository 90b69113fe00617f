import type { CameraFrame } from '../../core/observation.ts';

/** A picture on its way into a model: its bytes, and the value each byte becomes, for each of the three channels. */
export interface Picture {
  readonly frame: CameraFrame;
  /** `levels[channel * 256 + byte]`. Steps that scale pictures scale these 768 numbers instead of every pixel. */
  readonly levels: Float64Array;
}

export interface Tokens {
  /** They all see each other. */
  readonly ids: readonly number[];
  /** Words that follow, each seeing only what comes before it: text the model went on with itself. */
  readonly continuation?: readonly number[];
}

/** What flows through processor steps, by LeRobot's feature names. */
export interface Batch {
  /** Of the observation it came from, for models that look back. */
  readonly timestep: number;
  readonly vectors: Map<string, Float64Array>;
  /** Numbers in a row of actions, when there are any among the vectors. */
  readonly actionLength: number;
  readonly pictures: Map<string, Picture>;
  /** What to do, in words. */
  task: string;
  /** The words as the model reads them, without padding. */
  tokens?: Tokens;
  /** What steps before the model noted for steps after it. */
  readonly notes: Map<string, Float64Array>;
}

/** A batch of these parts; what is not named is empty. */
export const makeBatch = (parts: Partial<Batch> = {}): Batch => ({
  timestep: 0,
  vectors: new Map(),
  actionLength: 0,
  pictures: new Map(),
  task: '',
  notes: new Map(),
  ...parts,
});

/** Bytes as fractions of one: how LeRobot hands pictures to its processors. */
export function unitLevels(): Float64Array {
  return Float64Array.from({ length: 3 * 256 }, (_, i) => (i % 256) / 255);
}

/** Writes a picture as float32, channel by channel: `out` holds `3 * height * width` numbers. */
export function writeChannels({ frame, levels }: Picture, out: Float32Array): void {
  const cells = frame.width * frame.height;
  const { rgb } = frame;
  const table = Float32Array.from(levels);
  for (let channel = 0; channel < 3; channel++) {
    const level = table.subarray(channel * 256, channel * 256 + 256);
    const plane = out.subarray(channel * cells, (channel + 1) * cells);
    for (let cell = 0, at = channel; cell < cells; cell++, at += 3) {
      plane[cell] = level[rgb[at] as number] as number;
    }
  }
}
