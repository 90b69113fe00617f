import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Picture, unitLevels } from './batch.ts';
import { type PadTarget, resizeWithPad } from './resize-with-pad.ts';

const picture = (width: number, height: number, rgb: readonly number[]): Picture => ({
  frame: { name: 'front', width, height, rgb: Uint8Array.from(rgb), capturedNs: 0, sequence: 0 },
  levels: unitLevels(),
});

const resized = (source: Picture, target: Partial<PadTarget> & { width: number; height: number }) => {
  const out = new Float32Array(3 * target.width * target.height);
  resizeWithPad(source, { place: 'end', scale: 255, shift: 0, padding: -1, ...target }, out);
  return [...out].map((value) => Number(value.toFixed(3)));
};

/** One colour in all channels: only the first channel is looked at. */
const grey = (...values: number[]) => values.flatMap((value) => [value, value, value]);

describe('resizing with padding', () => {
  it('keeps a picture that fits as it is', () => {
    expect(resized(picture(2, 1, [10, 20, 30, 40, 50, 60]), { width: 2, height: 1 })).toEqual([
      10, 40, 20, 50, 30, 60,
    ]);
  });

  it('pads left and above, or all around', () => {
    const row = picture(2, 1, grey(100, 200));
    expect(resized(row, { width: 2, height: 2 }).slice(0, 4)).toEqual([-1, -1, 100, 200]);
    expect(resized(row, { width: 2, height: 3, place: 'centre' }).slice(0, 6)).toEqual([
      -1, -1, 100, 200, -1, -1,
    ]);
    const column = picture(1, 2, grey(100, 200));
    expect(resized(column, { width: 2, height: 2 }).slice(0, 4)).toEqual([-1, 100, -1, 200]);
  });

  // Values of torch.nn.functional.interpolate(mode='bilinear', align_corners=False).
  it('interpolates between the centres of pixels, growing and shrinking', () => {
    expect(resized(picture(2, 1, grey(0, 100)), { width: 4, height: 2 }).slice(0, 8)).toEqual([
      0, 25, 75, 100, 0, 25, 75, 100,
    ]);
    expect(resized(picture(4, 1, grey(0, 10, 100, 200)), { width: 2, height: 1 }).slice(0, 2)).toEqual([
      -1, -1,
    ]);
    expect(
      resized(picture(4, 2, grey(0, 10, 100, 200, 0, 10, 100, 200)), { width: 2, height: 1 }).slice(0, 2),
    ).toEqual([5, 150]);
    expect(
      resized(picture(3, 3, grey(0, 30, 60, 0, 30, 60, 0, 30, 60)), { width: 2, height: 2 }).slice(0, 2),
    ).toEqual([7.5, 52.5]);
  });

  it('never leaves the range of the picture', () => {
    const size = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(size, size, size, size, fc.nat(), (width, height, toWidth, toHeight, seed) => {
        const rgb = Array.from({ length: 3 * width * height }, (_, i) => 40 + ((i * 7919 + seed) % 100));
        const values = resized(picture(width, height, rgb), { width: toWidth, height: toHeight });
        for (const value of values) expect(value === -1 || (value >= 40 && value <= 139)).toBe(true);
      }),
    );
  });
});
