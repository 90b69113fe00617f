import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resizePicture } from './resize.ts';

interface Case {
  readonly height: number;
  readonly width: number;
  readonly toHeight: number;
  readonly toWidth: number;
  readonly sha256: string;
  readonly first: readonly number[];
}
/** What torch 2.13 makes of the same pictures, on a CPU with AVX2. */
const cases: Case[] = JSON.parse(readFileSync(new URL('./resize.fixture.json', import.meta.url), 'utf8'));

const picture = (width: number, height: number): Uint8Array =>
  Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => Number((BigInt(i) * BigInt(i) * 7n) & 255n) + i * 13 + (i >> 5),
  );

describe('resizing a picture', () => {
  for (const { height, width, toHeight, toWidth, sha256, first } of cases) {
    it(`makes ${toWidth}x${toHeight} of ${width}x${height} as PyTorch does, to the last bit`, () => {
      const source = { width, height, rgb: picture(width, height) };
      const { rgb } = resizePicture(source, { width: toWidth, height: toHeight });
      expect([...rgb.subarray(0, first.length)]).toEqual(first);
      expect(createHash('sha256').update(rgb).digest('hex')).toBe(sha256);
    });
  }
});
