import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../core/errors.ts';
import { decodePicture } from './picture.ts';

const chunk = (type: string, body: Uint8Array): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body, Buffer.alloc(4)]);
};

const paeth = (a: number, b: number, c: number): number => {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)] as const;
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
};

/** An encoder of its own, with the filter of each row chosen by the caller. */
function encodePng(
  width: number,
  colour: number,
  channels: number,
  pixels: Uint8Array,
  filters: readonly number[],
) {
  const stride = width * channels;
  const height = pixels.length / stride;
  const at = (row: number, i: number): number => (row < 0 || i < 0 ? 0 : pixels[row * stride + i]!);
  const rows = Array.from({ length: height }, (_, row) => {
    const filter = filters[row % filters.length]!;
    return Uint8Array.from({ length: stride + 1 }, (__, k) => {
      if (k === 0) return filter;
      const i = k - 1;
      const [a, b, c] = [at(row, i - channels), at(row - 1, i), i < channels ? 0 : at(row - 1, i - channels)];
      return at(row, i) - [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter]!;
    });
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, colour, 0, 0, 0], 8);
  const data = deflateSync(Buffer.concat(rows));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk(
      'PLTE',
      Uint8Array.from({ length: 768 }, (_, i) => 255 - (i >> 1)),
    ),
    chunk('IDAT', data.subarray(0, 9)),
    chunk('IDAT', data.subarray(9)),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

const kinds = [
  { colour: 0, channels: 1, rgb: (p: number[]) => [p[0], p[0], p[0]] },
  { colour: 2, channels: 3, rgb: (p: number[]) => p },
  {
    colour: 3,
    channels: 1,
    rgb: (p: number[]) => [0, 1, 2].map((c) => (255 - ((3 * p[0]! + c) >> 1)) & 255),
  },
  { colour: 4, channels: 2, rgb: (p: number[]) => [p[0], p[0], p[0]] },
  { colour: 6, channels: 4, rgb: (p: number[]) => p.slice(0, 3) },
] as const;

describe('decodePicture', () => {
  it('reads every kind of 8-bit PNG back to its pixels, whatever filters its rows have', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
        (kind, width, height, filters, stream) => {
          const pixels = Uint8Array.from(
            { length: width * height * kind.channels },
            () => stream.next().value,
          );
          const png = encodePng(width, kind.colour, kind.channels, pixels, filters);
          const picture = decodePicture('x.png', png);
          const wanted = Array.from({ length: width * height }, (_, i) =>
            kind.rgb([...pixels.subarray(i * kind.channels, (i + 1) * kind.channels)]),
          ).flat();
          expect([picture.width, picture.height, ...picture.rgb]).toEqual([width, height, ...wanted]);
        },
      ),
    );
  });

  it('reads a PPM with comments', () => {
    const ppm = Buffer.concat([Buffer.from('P6 # made by hand\n2 1\n255\n'), Buffer.of(1, 2, 3, 4, 5, 6)]);
    expect(decodePicture('x.ppm', ppm)).toMatchObject({
      width: 2,
      height: 1,
      rgb: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it('answers anything else with what is wrong, and never in another way', () => {
    const png = encodePng(3, 2, 3, new Uint8Array(27).fill(7), [4]);
    const outcome = (bytes: Buffer): unknown => {
      try {
        return decodePicture('x', bytes);
      } catch (error) {
        return error;
      }
    };
    fc.assert(
      fc.property(
        fc.nat(png.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(png.length),
        (place, value, end) => {
          const broken = Buffer.from(png);
          broken[place] = value;
          const result = outcome(broken.subarray(0, end));
          if (result instanceof Error) expect(result).toMatchObject({ code: 'PICTURE_INVALID' });
        },
      ),
      { numRuns: 1000 },
    );
    expect(outcome(Buffer.from('GIF89a'))).toBeInstanceOf(MyelinError);
    expect((outcome(Buffer.from('P6 9999 9999 255 ')) as Error).message).toMatch(/its size is 9999x9999/);
    expect((outcome(Buffer.from('P6 2 2 255 abc')) as Error).message).toMatch(/cut short/);
  });
});
