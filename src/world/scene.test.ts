import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BIN_HALF_INSIDE_M,
  binCentres,
  CUBE_AREA,
  CUBE_COLOURS,
  CUBE_DISTANCE_M,
  placeCubes,
  sceneXml,
} from './scene.ts';

const seeds = fc.integer({ min: 0, max: 0xffffffff });

describe('seeded scenes', () => {
  it('are the same for the same seed and differ between seeds', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(placeCubes(seed)).toEqual(placeCubes(seed));
      }),
    );
    expect(placeCubes(1)).not.toEqual(placeCubes(2));
  });

  it('keep cubes apart, inside their area and within reach', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const cubes = placeCubes(seed);
        expect(cubes.map(({ name }) => name)).toEqual(['red_cube', 'green_cube', 'blue_cube']);
        cubes.forEach((cube, i) => {
          const radius = Math.hypot(cube.xM, cube.yM);
          expect(radius).toBeGreaterThanOrEqual(CUBE_AREA.radiusMin);
          expect(radius).toBeLessThanOrEqual(CUBE_AREA.radiusMax);
          expect(cube.yM).toBeLessThanOrEqual(CUBE_AREA.yMax);
          for (const other of cubes.slice(0, i)) {
            expect(Math.hypot(cube.xM - other.xM, cube.yM - other.yM)).toBeGreaterThanOrEqual(
              CUBE_DISTANCE_M,
            );
          }
        });
      }),
    );
  });

  it('let a gripper that points down reach every cube and every bin within the joint limits', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(0.02, 0.1), (seed, zM) => {
        for (const { xM, yM } of placeCubes(seed)) expect(isReachableDownwards(xM, yM, zM)).toBe(true);
      }),
    );
    for (const xM of [0.29, 0.155, 0.02]) {
      for (const zM of [0.05, 0.1]) expect(isReachableDownwards(xM, 0.25, zM)).toBe(true);
    }
  });

  it('have a bin for each colour, with no cube near it at the start', () => {
    for (const arm of ['X5', 'L5'] as const) {
      const bins = binCentres(arm);
      expect([...bins.keys()].sort()).toEqual([...CUBE_COLOURS].sort());
      for (const [x, y] of bins.values()) {
        expect(isReachableDownwards(x, y, 0.05)).toBe(true);
        expect(y - BIN_HALF_INSIDE_M).toBeGreaterThan(CUBE_AREA.yMax + 0.05);
      }
    }
  });

  it('exist for both arms as one document without includes', () => {
    for (const arm of ['X5', 'L5'] as const) {
      const xml = sceneXml(arm);
      expect(xml).not.toContain('<include');
      expect(xml.match(/<mujoco/g)).toHaveLength(1);
      expect(xml).toContain('red_cube');
      expect(xml).toContain('joint6');
    }
  });
});

/** The two-link triangle of an X5 whose gripper points straight down: q2 - q3 - q4 = 90 degrees. */
function isReachableDownwards(xM: number, yM: number, zM: number): boolean {
  const upperArm = 0.264;
  const [forearmX, forearmZ] = [0.245, 0.056];
  const forearm = Math.hypot(forearmX, forearmZ);
  const wristX = Math.hypot(xM, yM) - 0.02;
  const wristZ = zM + 0.06575 + 0.02845 + 0.145 - 0.1005;
  const distance = Math.hypot(wristX, wristZ);
  if (distance > upperArm + forearm) return false;
  const inner = Math.acos((upperArm ** 2 + distance ** 2 - forearm ** 2) / (2 * upperArm * distance));
  const elbow = Math.atan2(wristZ, wristX) + inner;
  const down = Math.atan2(upperArm * Math.sin(elbow) - wristZ, wristX - upperArm * Math.cos(elbow));
  const pitch = down + Math.atan2(forearmZ, forearmX);
  const q2 = Math.PI - elbow;
  const q3 = q2 - pitch;
  const q4 = pitch - Math.PI / 2;
  return q2 > -0.05 && q2 < 3.5 && q3 > -0.1 && q3 < 3.2 && q4 > -1.6 && q4 < 1.55;
}
