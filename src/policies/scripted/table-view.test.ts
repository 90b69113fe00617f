import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faceAngle, TableView } from './table-view.ts';

const table = new TableView('X5');
const angle = fc.double({ min: -Math.PI, max: Math.PI, noNaN: true });
const about = (yawRad: number) => [Math.cos(yawRad / 2), 0, 0, Math.sin(yawRad / 2)];
const look = (name: string, x: number, y: number, z: number, q: readonly number[] = [1, 0, 0, 0]) =>
  table.cubes(new Map([[name, [x, y, z, ...q]]]));

describe('what lies on the table', () => {
  it('is a cube when it is called one and has a bin', () => {
    expect(look('red_cube', 0.3, 0, 0.02)).toMatchObject([{ name: 'red_cube', colour: 'red' }]);
    expect(look('pink_cube', 0.3, 0, 0.02)).toEqual([]);
    expect(look('red_ball', 0.3, 0, 0.02)).toEqual([]);
    expect(look('red_bin', 0.3, 0, 0.02)).toEqual([]);
  });

  it('is sorted when it lies in the bin of its colour, and not when it is held above it', () => {
    const [red] = look('red_cube', 0.3, 0, 0.02);
    const [x, y] = table.binOf(red!);
    const isSorted = (name: string, at: readonly [number, number, number]) =>
      table.isSorted(look(name, ...at)[0]!);
    expect(isSorted('red_cube', [x, y, 0.024])).toBe(true);
    expect(isSorted('red_cube', [x + 0.05, y - 0.05, 0.024])).toBe(true);
    expect(isSorted('red_cube', [x + 0.06, y, 0.024])).toBe(false);
    expect(isSorted('red_cube', [x, y, 0.09])).toBe(false);
    expect(isSorted('green_cube', [x, y, 0.024])).toBe(false);
  });

  it('shows where its upright faces point, whichever face it rests on', () => {
    // Quarter turns about x and about y, then the yaw about z.
    const h = Math.SQRT1_2;
    fc.assert(
      fc.property(
        angle,
        fc.constantFrom([1, 0, 0, 0], [h, h, 0, 0], [h, 0, h, 0]),
        (yawRad, [w, x, y, z]) => {
          const c = Math.cos(yawRad / 2);
          const s = Math.sin(yawRad / 2);
          const turned = [c * w! - s * z!, c * x! - s * y!, c * y! + s * x!, c * z! + s * w!];
          const [cube] = look('blue_cube', 0.3, 0, 0.02, turned);
          expect(faceAngle(cube!.yawRad, yawRad)).toBeLessThan(1e-6);
        },
      ),
    );
    expect(faceAngle(0.1, 0.1 + Math.PI / 2)).toBeCloseTo(0, 9);
    expect(faceAngle(0, Math.PI / 4)).toBeCloseTo(Math.PI / 4, 9);
    expect(look('blue_cube', 0.3, 0, 0.02, about(0.4))[0]!.yawRad).toBeCloseTo(0.4, 9);
  });
});
