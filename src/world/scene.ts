import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../platform/entry.ts';
import { type Random, seededRandom } from './random.ts';

/** Arms that have a scene. */
export const WORLD_ARMS = ['X5', 'L5'] as const;
export type WorldArm = (typeof WORLD_ARMS)[number];

export const CUBE_COLOURS = ['red', 'green', 'blue'] as const;
export const CUBE_NAMES = CUBE_COLOURS.map((colour) => `${colour}_cube`);
export const CUBE_SIZE_M = 0.04;
/** Half the inside of a bin, m. */
export const BIN_HALF_INSIDE_M = 0.055;

/** Where cubes may lie, in the arm's base frame, m: in front of the arm, clear of the bins, under a downward gripper. */
export const CUBE_AREA = { xMin: 0.22, xMax: 0.4, yMin: -0.2, yMax: 0.09, radiusMin: 0.22, radiusMax: 0.4 };
/** Cubes start at least this far apart, centre to centre, m. */
export const CUBE_DISTANCE_M = 0.09;

/** The scene's MJCF with its includes put in. */
export function sceneXml(arm: WorldArm): string {
  return withIncludes(join(packageRoot(), 'models', 'arx-x5', `${arm.toLowerCase()}-scene.xml`));
}

/** Centre of each colour's bin on the table, m, as the scene of that arm has it. */
export function binCentres(arm: WorldArm): ReadonlyMap<string, readonly [number, number]> {
  const bins = sceneXml(arm).matchAll(/<body name="(\w+)_bin" pos="(\S+) (\S+) /g);
  return new Map(Array.from(bins, ([, colour, x, y]) => [colour!, [Number(x), Number(y)]]));
}

/** Engines that read from a string know no folder, so includes are resolved here. */
function withIncludes(file: string): string {
  return readFileSync(file, 'utf8').replace(/<include file="([^"]+)"\/>/g, (_whole, name: string) =>
    withIncludes(join(dirname(file), name))
      .replace(/^[\s\S]*?<mujoco[^>]*>/, '')
      .replace(/<\/mujoco>\s*$/, ''),
  );
}

export interface CubePlacement {
  readonly name: string;
  readonly xM: number;
  readonly yM: number;
  readonly yawRad: number;
}

const isReachable = (x: number, y: number): boolean => {
  const radius = Math.hypot(x, y);
  return radius >= CUBE_AREA.radiusMin && radius <= CUBE_AREA.radiusMax;
};

/** Where the cubes of scene `seed` lie: inside {@link CUBE_AREA}, {@link CUBE_DISTANCE_M} apart. */
export function placeCubes(seed: number): CubePlacement[] {
  const random = seededRandom(seed);
  // A first cube in the middle can leave no room for the last one; then the whole layout is drawn again.
  for (;;) {
    const layout = tryPlace(random);
    if (layout !== undefined) return layout;
  }
}

function tryPlace(random: Random): CubePlacement[] | undefined {
  const placed: CubePlacement[] = [];
  for (const name of CUBE_NAMES) {
    const spot = findSpot(random, placed);
    if (spot === undefined) return undefined;
    placed.push({ name, ...spot, yawRad: (random() - 0.5) * Math.PI });
  }
  return placed;
}

function findSpot(random: Random, taken: readonly CubePlacement[]): { xM: number; yM: number } | undefined {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const xM = CUBE_AREA.xMin + random() * (CUBE_AREA.xMax - CUBE_AREA.xMin);
    const yM = CUBE_AREA.yMin + random() * (CUBE_AREA.yMax - CUBE_AREA.yMin);
    const isFree = taken.every((other) => Math.hypot(other.xM - xM, other.yM - yM) >= CUBE_DISTANCE_M);
    if (isFree && isReachable(xM, yM)) return { xM, yM };
  }
  return undefined;
}
