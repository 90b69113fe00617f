import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packRgb, yuyvToRgb } from './pixels.ts';

const clamp = (value: number): number => Math.max(0, Math.min(255, value));
/** The definition: BT.601, video range. */
const exact = (y: number, u: number, v: number): number[] => {
  const luma = (255 / 219) * (y - 16);
  const scale = 255 / 112;
  return [
    clamp(luma + scale * 0.701 * (v - 128)),
    clamp(
      luma - scale * ((0.886 * 0.114) / 0.587) * (u - 128) - scale * ((0.701 * 0.299) / 0.587) * (v - 128),
    ),
    clamp(luma + scale * 0.886 * (u - 128)),
  ];
};
const byte = fc.integer({ min: 0, max: 255 });

describe('pixels', () => {
  it('turn from YUYV to RGB within 1 of the definition', () => {
    fc.assert(
      fc.property(byte, byte, byte, byte, (y0, u, y1, v) => {
        const rgb = new Uint8Array(6);
        yuyvToRgb(Uint8Array.of(y0, u, y1, v), 2, 1, 4, rgb);
        const wanted = [...exact(y0, u, v), ...exact(y1, u, v)];
        rgb.forEach((value, i) => {
          expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(1.01);
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('leave out the padding at the end of rows', () => {
    const rgb = new Uint8Array(12);
    yuyvToRgb(Uint8Array.of(16, 128, 235, 128, 9, 9, 235, 128, 16, 128, 9, 9), 2, 2, 6, rgb);
    expect([...rgb]).toEqual([0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0]);
    packRgb(Uint8Array.of(1, 2, 3, 99, 4, 5, 6, 99), 1, 2, 4, rgb);
    expect([...rgb.subarray(0, 6)]).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
