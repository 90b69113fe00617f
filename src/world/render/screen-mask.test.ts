import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ScreenMask } from './screen-mask.ts';

const WIDTH = 40;
const HEIGHT = 30;
const FOV_RAD = 1.2;

const side = fc.double({ min: -0.4, max: 0.4, noNaN: true });
const box = fc.record({
  centre: fc.tuple(
    fc.double({ min: -1, max: 1, noNaN: true }),
    fc.double({ min: -1, max: 1, noNaN: true }),
    fc.double({ min: -1, max: 2, noNaN: true }),
  ),
  sides: fc.array(side, { minLength: 9, maxLength: 9 }),
});
const unit = fc.double({ min: -1, max: 1, noNaN: true });

describe('the mask of a picture', () => {
  it('covers the pixel of every point of a box that is before the eye', () => {
    const mask = new ScreenMask(WIDTH, HEIGHT, FOV_RAD);
    const marked = new Int32Array(WIDTH * HEIGHT);
    fc.assert(
      fc.property(box, fc.tuple(unit, unit, unit), ({ centre, sides }, along) => {
        mask.clear();
        mask.cover(centre, sides);
        const pixels = new Set(marked.slice(0, mask.collect(marked)));
        const [x, y, ahead] = [0, 1, 2].map((i) =>
          along.reduce((sum, share, edge) => sum + share * sides[3 * edge + i]!, centre[i]!),
        ) as [number, number, number];
        if (ahead < 0.01) return;
        const focal = HEIGHT / (2 * Math.tan(FOV_RAD / 2));
        const column = Math.floor(WIDTH / 2 + (x / ahead) * focal);
        const row = Math.floor(HEIGHT / 2 - (y / ahead) * focal);
        if (column < 0 || row < 0 || column >= WIDTH || row >= HEIGHT) return;
        expect(pixels.has(row * WIDTH + column)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('leaves out what is beside and behind', () => {
    const mask = new ScreenMask(WIDTH, HEIGHT, FOV_RAD);
    const marked = new Int32Array(WIDTH * HEIGHT);
    const small = [0.01, 0, 0, 0, 0.01, 0, 0, 0, 0.01];
    mask.clear();
    mask.cover([0, 0, -1], small);
    mask.cover([5, 0, 1], small);
    expect(mask.collect(marked)).toBe(0);
    mask.cover([0, 0, 1], small);
    expect(mask.collect(marked)).toBeLessThan(9);
  });
});
