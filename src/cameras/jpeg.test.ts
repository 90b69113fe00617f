import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeJpeg } from './jpeg.ts';

const SIZE = { width: 32, height: 16 };
const DEFINE_HUFFMAN_TABLES = 0xc4;
const START_OF_SCAN = 0xda;

/** Leaves out the Huffman tables, as most USB cameras do. */
function withoutTables(jpeg: Buffer): Buffer {
  const kept = [jpeg.subarray(0, 2)];
  for (let at = 2; ; ) {
    const marker = jpeg[at + 1]!;
    if (marker === START_OF_SCAN) return Buffer.concat([...kept, jpeg.subarray(at)]);
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (marker !== DEFINE_HUFFMAN_TABLES) kept.push(jpeg.subarray(at, end));
    at = end;
  }
}

describe('decoding a picture of a motion JPEG stream', () => {
  let jpeg = Buffer.alloc(0);
  beforeAll(async () => {
    jpeg = await sharp({ create: { ...SIZE, channels: 3, background: { r: 200, g: 100, b: 50 } } })
      .jpeg({ quality: 95, optimiseCoding: false })
      .toBuffer();
  });

  it('draws its pixels, also without Huffman tables in it or with bytes too many before a marker', async () => {
    const marker = 4 + jpeg.readUInt16BE(4);
    const padded = Buffer.concat([jpeg.subarray(0, marker), Buffer.from([1, 2, 3]), jpeg.subarray(marker)]);
    for (const picture of [jpeg, withoutTables(jpeg), padded]) {
      const rgb = new Uint8Array(3 * 32 * 16);
      expect(await decodeJpeg(picture, SIZE, rgb)).toBe(true);
      for (const [channel, value] of [200, 100, 50].entries())
        expect(Math.abs(rgb[3 * 100 + channel]! - value)).toBeLessThanOrEqual(4);
    }
  });

  it('refuses one that is cut, empty, of another size or no JPEG', async () => {
    const rgb = new Uint8Array(3 * 32 * 16);
    for (const picture of [
      jpeg.subarray(0, jpeg.length >> 1),
      Buffer.alloc(0),
      Buffer.from('GIF89a nonsense'),
    ])
      expect(await decodeJpeg(picture, SIZE, rgb)).toBe(false);
    expect(await decodeJpeg(jpeg, { width: 16, height: 16 }, rgb)).toBe(false);
  });
});
