/** How the pixels of one axis come out of those of another: which two, and with what weights. */
interface AxisPlan {
  /** First source index of each target. */
  readonly from: Int32Array;
  /** Weights of the source at `from` and of the one behind it, times `2 ** precision`. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly precision: number;
}

/** Weights are kept in 16 bits with a sign. */
const WEIGHT_LIMIT = 1 << 15;
const MAX_PRECISION = 22;

const plans = new Map<string, AxisPlan>();
const MAX_PLANS = 64;

/**
 * Bilinear weights with half-pixel centres and no antialiasing, as whole numbers with as many bits as 16 hold: what
 * PyTorch does with 8-bit pictures (`interpolate(mode="bilinear", align_corners=False)`).
 */
function planAxis(source: number, target: number): AxisPlan {
  const key = `${source}>${target}`;
  const known = plans.get(key);
  if (known !== undefined) return known;
  const scale = source / target;
  const from = new Int32Array(target);
  const weight = new Float64Array(target);
  let largest = 0;
  for (let i = 0; i < target; i++) {
    const at = Math.max(0, scale * (i + 0.5) - 0.5);
    const index = Math.min(Math.floor(at), source - 1);
    from[i] = Math.min(index, Math.max(0, source - 2));
    // At the far edge both weights fall on the last pixel.
    weight[i] = index === from[i] ? Math.min(1, at - index) : 1;
    if (source === 1) weight[i] = 0;
    largest = Math.max(largest, weight[i] as number, 1 - (weight[i] as number));
  }
  let precision = 0;
  while (precision < MAX_PRECISION && Math.floor(0.5 + largest * 2 ** (precision + 1)) < WEIGHT_LIMIT)
    precision++;
  const whole = (value: number) => Math.floor(0.5 + value * 2 ** precision);
  const plan = {
    from,
    first: Int32Array.from(weight, (w) => whole(1 - w)),
    second: Int32Array.from(weight, whole),
    precision,
  };
  if (plans.size >= MAX_PLANS) plans.clear();
  plans.set(key, plan);
  return plan;
}

/** Along rows: `lines` lines of `source` pixels become lines of `target` pixels of three levels each. */
function resizeRows(levels: Uint8Array, lines: number, source: number, target: number): Uint8Array {
  const { from, first, second, precision } = planAxis(source, target);
  const half = 1 << (precision - 1);
  const out = new Uint8Array(lines * target * 3);
  const step = source > 1 ? 3 : 0;
  for (let line = 0, to = 0; line < lines; line++) {
    const start = line * source * 3;
    for (let i = 0; i < target; i++) {
      const at = start + (from[i] as number) * 3;
      const w0 = first[i] as number;
      const w1 = second[i] as number;
      for (let colour = 0; colour < 3; colour++, to++) {
        const value =
          half + (levels[at + colour] as number) * w0 + (levels[at + step + colour] as number) * w1;
        out[to] = Math.min(255, value >> precision);
      }
    }
  }
  return out;
}

/** Along columns: whole lines of `width` pixels are mixed. */
function resizeColumns(levels: Uint8Array, width: number, source: number, target: number): Uint8Array {
  const { from, first, second, precision } = planAxis(source, target);
  const half = 1 << (precision - 1);
  const bytes = width * 3;
  const out = new Uint8Array(target * bytes);
  const step = source > 1 ? bytes : 0;
  for (let line = 0, to = 0; line < target; line++) {
    const start = (from[line] as number) * bytes;
    const w0 = first[line] as number;
    const w1 = second[line] as number;
    for (let i = 0; i < bytes; i++, to++) {
      const value = half + (levels[start + i] as number) * w0 + (levels[start + step + i] as number) * w1;
      out[to] = Math.min(255, value >> precision);
    }
  }
  return out;
}

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** `height * width * 3` bytes. */
  readonly rgb: Uint8Array;
}

/**
 * A picture in another size, to the last bit as LeRobot's server makes it on a CPU with AVX2: rows first, rounded to
 * whole levels, then columns. The aspect ratio is not kept. The same size is the same picture.
 */
export function resizePicture(
  { width, height, rgb }: RgbPicture,
  to: { width: number; height: number },
): RgbPicture {
  const rows = to.width === width ? rgb : resizeRows(rgb, height, width, to.width);
  const whole = to.height === height ? rows : resizeColumns(rows, to.width, height, to.height);
  return { width: to.width, height: to.height, rgb: whole };
}
