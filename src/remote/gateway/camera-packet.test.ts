import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodePicture,
  encodePicture,
  MAX_PICTURE_WIDTH,
  type Picture,
  pictureStride,
  thinOut,
} from './camera-packet.ts';

const picture = (width: number, height: number): Picture => ({
  name: 'wrist',
  width,
  height,
  sequence: 5,
  ageMs: 12,
  rgb: Uint8Array.from({ length: width * height * 3 }, (_, index) => index % 251),
});

describe('camera packets', () => {
  it('carry a picture unchanged', () => {
    expect(decodePicture(encodePicture(picture(160, 120)).buffer)).toEqual(picture(160, 120));
  });

  it('thin out what is wider than a page needs', () => {
    const sent = decodePicture(encodePicture(picture(1280, 720)).buffer);
    expect([sent?.width, sent?.height]).toEqual([320, 180]);
    for (const width of [1, 320, 321, 640, 4096]) {
      expect(Math.floor(width / pictureStride(width))).toBeLessThanOrEqual(MAX_PICTURE_WIDTH);
    }
  });

  it('keep every stride-th pixel of every stride-th row', () => {
    const { rgb } = thinOut(picture(4, 4), 2);
    expect([...rgb]).toEqual([0, 1, 2, 6, 7, 8, 24, 25, 26, 30, 31, 32]);
  });

  it('are refused when they are not whole, whatever the bytes', () => {
    const whole = encodePicture(picture(8, 8));
    expect(decodePicture(whole.slice(0, -1).buffer)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = decodePicture(Uint8Array.from(bytes).buffer);
        if (found !== undefined) expect(found.rgb.length).toBe(found.width * found.height * 3);
      }),
    );
  });
});
