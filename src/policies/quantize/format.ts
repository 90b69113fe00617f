/** How a matrix is kept in whole numbers: blocks along a row share one scale; zero is the middle of the range. */
export interface QuantizedFormat {
  readonly name: QuantizedName;
  readonly bits: 8 | 4;
  /** Weights that share a scale. */
  readonly block: number;
}

/**
 * Eight bits lose nothing to long blocks (0.6 % of a product's size either way: the activations' own eight bits), and
 * long blocks run up to twice as fast; four bits need short ones.
 */
export const QUANTIZED_FORMATS = {
  int8: { name: 'int8', bits: 8, block: 128 },
  int4: { name: 'int4', bits: 4, block: 32 },
} as const satisfies Record<string, { name: string; bits: 8 | 4; block: number }>;

export type QuantizedName = keyof typeof QUANTIZED_FORMATS;

/** Matrices with a narrower side stay as they are: they hold little, and projections of states and actions are among them. */
export const LEAST_QUANTIZED_SIDE = 128;

/** Blocks in a row of that many weights; the last one may be filled up with zeros. */
export const blocksPerRow = (columns: number, { block }: QuantizedFormat): number =>
  Math.ceil(columns / block);

/** Bytes that one block's whole numbers take. */
export const blockBytes = ({ bits, block }: QuantizedFormat): number => (block * bits) / 8;
