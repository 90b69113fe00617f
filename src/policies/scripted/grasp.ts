import { CUBE_SIZE_M } from '../../world/scene.ts';
import type { SeenCube } from './table-view.ts';
import { type ToolPlace, type TopDown, wrapRad } from './top-down.ts';

/** Height of the tool at which the arm travels: what it carries clears cubes and bins. */
export const TRAVEL_Z_M = 0.13;
/** The grasp is this far above the table at least, so that the finger tips, 10 mm further down, stay clear of it. */
const LOWEST_GRASP_M = 0.018;
/** Opening for the approach: room for the cube and an error, yet narrower than the way to the next cube. */
export const APPROACH_OPENING_M = 0.068;
/** What the closing gripper is told; the cube stops it before. */
export const GRIP_M = 0.03;
/** A gripper that reads less has closed on nothing. */
const EMPTY_BELOW_M = 0.035;
/** A held cube's centre is this near the tool. */
const HELD_WITHIN_M = 0.03;
/** Half the width over both fingers beside an open gripper's gap, and half their thickness, m. */
const FINGER_M = 0.02;
const FINGER_HALF_THICKNESS_M = 0.013;
const QUARTER = Math.PI / 2;

/** How to take a cube: poses of the arm above it and at it. */
export interface Grasp {
  readonly above: Float64Array;
  readonly at: Float64Array;
  readonly lift: Float64Array;
  readonly place: ToolPlace;
}

/**
 * Grasps of a cube from above along its faces, best first: fingers clear of other cubes, then the wrist turned
 * least. Empty when it is out of reach.
 */
export function graspsOf(cube: SeenCube, others: readonly SeenCube[], topDown: TopDown): Grasp[] {
  const [x, y, z] = cube.position;
  const outwards = Math.atan2(y, x);
  const grasps: { grasp: Grasp; cost: number }[] = [];
  for (let k = 0; k < 4; k++) {
    const yawRad = wrapRad(cube.yawRad + k * QUARTER);
    const turn = Math.abs(wrapRad(yawRad - outwards));
    if (turn > 2) continue;
    const place: ToolPlace = { position: [x, y, Math.max(z, LOWEST_GRASP_M)], yawRad };
    const over: ToolPlace = { position: [x, y, TRAVEL_Z_M], yawRad };
    const at = topDown.solve(place, APPROACH_OPENING_M);
    const above = at && topDown.solve(over, APPROACH_OPENING_M);
    if (at === undefined || above === undefined) continue;
    const lift = withGripper(above, GRIP_M);
    const blocked = others.filter((other) => fingersMeet(place, other)).length;
    grasps.push({ grasp: { above, at, lift, place }, cost: turn + 10 * blocked });
  }
  return grasps.sort((a, b) => a.cost - b.cost).map(({ grasp }) => grasp);
}

/** The same pose with another opening of the gripper. */
export function withGripper(pose: Float64Array, openingM: number): Float64Array {
  const changed = pose.slice();
  changed[changed.length - 1] = openingM;
  return changed;
}

/** The gripper has closed on something and the cube is in it. */
export function isHeld(cube: SeenCube, place: ToolPlace, openingM: number): boolean {
  const [x, y, z] = place.position;
  const distance = Math.hypot(cube.position[0] - x, cube.position[1] - y, cube.position[2] - z);
  return distance < HELD_WITHIN_M && openingM > EMPTY_BELOW_M && openingM < APPROACH_OPENING_M - 0.005;
}

/** Whether open fingers about a place would come down on another cube (taken as round, with its half diagonal). */
function fingersMeet({ position, yawRad }: ToolPlace, other: SeenCube): boolean {
  const dx = other.position[0] - position[0];
  const dy = other.position[1] - position[1];
  // Fingers open across the tool's upper side.
  const across = Math.abs(-dx * Math.sin(yawRad) + dy * Math.cos(yawRad));
  const along = Math.abs(dx * Math.cos(yawRad) + dy * Math.sin(yawRad));
  const radius = CUBE_SIZE_M * Math.SQRT1_2;
  return across < APPROACH_OPENING_M / 2 + FINGER_M + radius && along < FINGER_HALF_THICKNESS_M + radius;
}
