import type { Picture } from './batch.ts';

export interface PadTarget {
  readonly width: number;
  readonly height: number;
  /** Where the picture lies in its frame: in the middle, or at the far corner with the padding left and above. */
  readonly place: 'centre' | 'end';
  /** Every value v of the picture becomes `v * scale + shift`. */
  readonly scale: number;
  readonly shift: number;
  /** What padding holds, after that. */
  readonly padding: number;
}

/** For each place along one axis: the two source places and the share of the second. */
interface Taps {
  readonly near: Int32Array;
  readonly far: Int32Array;
  readonly share: Float32Array;
}

/**
 * Where a row or column of a resized picture comes from: half-pixel centres, no widening of the filter when a
 * picture shrinks, as `torch.nn.functional.interpolate(mode='bilinear', align_corners=False)`.
 */
function tapsOf(source: number, target: number): Taps {
  const ratio = Math.fround(source / target);
  const near = new Int32Array(target);
  const far = new Int32Array(target);
  const share = new Float32Array(target);
  for (let i = 0; i < target; i++) {
    const at = Math.max(0, Math.fround(Math.fround(ratio * (i + 0.5)) - 0.5));
    const low = Math.min(Math.floor(at), source - 1);
    near[i] = low;
    far[i] = Math.min(low + 1, source - 1);
    share[i] = Math.min(1, Math.max(0, at - low));
  }
  return { near, far, share };
}

/**
 * Writes a picture as float32, channel by channel, resized to fit a frame with its proportions kept and padded.
 * @param out `3 * height * width` numbers
 */
export function resizeWithPad({ frame, levels }: Picture, target: PadTarget, out: Float32Array): void {
  const { width, height, scale, shift } = target;
  const ratio = Math.max(frame.width / width, frame.height / height);
  const innerWidth = Math.trunc(frame.width / ratio);
  const innerHeight = Math.trunc(frame.height / ratio);
  const spareX = Math.max(0, width - innerWidth);
  const spareY = Math.max(0, height - innerHeight);
  const left = target.place === 'end' ? spareX : Math.floor(spareX / 2);
  const top = target.place === 'end' ? spareY : Math.floor(spareY / 2);
  const columns = tapsOf(frame.width, innerWidth);
  const rows = tapsOf(frame.height, innerHeight);
  const stride = 3 * frame.width;
  const { rgb } = frame;
  // The processors' values of the 256 bytes, in float32 as training code holds them.
  const table = Float32Array.from(levels);
  out.fill(target.padding);
  for (let channel = 0; channel < 3; channel++) {
    const level = table.subarray(channel * 256, channel * 256 + 256);
    const at = (index: number) => level[rgb[index + channel] as number] as number;
    for (let y = 0; y < innerHeight; y++) {
      const above = (rows.near[y] as number) * stride;
      const below = (rows.far[y] as number) * stride;
      const down = rows.share[y] as number;
      const start = (channel * height + top + y) * width + left;
      for (let x = 0; x < innerWidth; x++) {
        const near = 3 * (columns.near[x] as number);
        const far = 3 * (columns.far[x] as number);
        const right = columns.share[x] as number;
        const upper = at(above + near) * (1 - right) + at(above + far) * right;
        const lower = at(below + near) * (1 - right) + at(below + far) * right;
        out[start + x] = (upper * (1 - down) + lower * down) * scale + shift;
      }
    }
  }
}
