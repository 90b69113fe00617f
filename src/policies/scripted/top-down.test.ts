import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { armDescription, loadKinematics } from '../../arms/catalogue.ts';
import { forward } from '../../core/kinematics/forward.ts';
import { TopDown, wrapRad } from './top-down.ts';

for (const model of ['X5', 'L5'] as const) {
  const description = armDescription(model);
  const kinematics = loadKinematics(description);
  const topDown = new TopDown(kinematics, description);

  describe(`${model} poses with the tool pointing down`, () => {
    it('are where they were asked for, within joint limits, all over the table', () => {
      fc.assert(
        fc.property(
          fc.double({ min: 0.22, max: 0.4, noNaN: true }),
          fc.double({ min: -1.2, max: 1.5, noNaN: true }),
          fc.double({ min: 0.018, max: 0.13, noNaN: true }),
          fc.double({ min: -1.5, max: 1.5, noNaN: true }),
          (radius, bearing, z, turn) => {
            const position = [radius * Math.cos(bearing), radius * Math.sin(bearing), z] as const;
            const yawRad = bearing + turn;
            const q = topDown.solve({ position, yawRad }, 0.05);
            expect(q).toBeDefined();
            expect(q![6]).toBe(0.05);
            for (let i = 0; i < 6; i++) {
              expect(q![i]).toBeGreaterThanOrEqual(description.limits.positionMin[i]!);
              expect(q![i]).toBeLessThanOrEqual(description.limits.positionMax[i]!);
            }
            const place = topDown.placeOf(q!);
            for (const axis of [0, 1, 2]) expect(place.position[axis]).toBeCloseTo(position[axis]!, 3);
            expect(Math.abs(wrapRad(place.yawRad - yawRad))).toBeLessThan(0.005);
            const [, , , w, x, y, z4] = forward(kinematics, q!, new Float64Array(7));
            // The tool's forward axis is its x axis: straight down.
            expect(2 * (x! * z4! - w! * y!)).toBeCloseTo(-1, 4);
          },
        ),
        { numRuns: 60 },
      );
    });

    it('do not exist out of reach', () => {
      expect(topDown.solve({ position: [0.8, 0, 0.02], yawRad: 0 }, 0.05)).toBeUndefined();
    });
  });
}
