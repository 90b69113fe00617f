import { CUBE_DISTANCE_M, CUBE_SIZE_M, placeCubes } from '../../world/scene.ts';
import type { World } from '../../world/world.ts';
import type { SortConditions } from './sort-run.ts';

/** A cube is moved away so often, s, and so many times a scene. */
export const MOVE_EVERY_S = 4;
export const MOVES = 5;

/** What is done to the cubes while they are sorted. */
export const MOVED_CUBES: NonNullable<SortConditions['disturbance']> = {
  everyS: MOVE_EVERY_S,
  happen: moveCube,
};

/** Puts the first cube that is not sorted yet where none lies. */
function moveCube(world: World, count: number): void {
  const { physics } = world;
  const cube = physics.objects.find((object) => !world.isSorted(object));
  if (count >= MOVES || cube === undefined) return;
  const others = physics.objects.filter((object) => object !== cube);
  const isFree = ({ xM, yM }: { readonly xM: number; readonly yM: number }) =>
    others.every(({ qposAddress: at }) => {
      return Math.hypot(physics.qpos[at]! - xM, physics.qpos[at + 1]! - yM) >= CUBE_DISTANCE_M;
    });
  const spot = placeCubes(world.seed * 1000 + count).find(isFree);
  if (spot === undefined) return;
  const turn = [Math.cos(spot.yawRad / 2), 0, 0, Math.sin(spot.yawRad / 2)];
  world.place(cube.name, [spot.xM, spot.yM, CUBE_SIZE_M / 2], turn);
}
