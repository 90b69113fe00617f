/** Where the arm is wanted now, rad (m for the gripper), and how fast that moves, per second. Changed in place. */
export interface Target {
  readonly position: Float64Array;
  readonly velocity: Float64Array;
}

export const createTarget = (dof: number): Target => ({
  position: new Float64Array(dof),
  velocity: new Float64Array(dof),
});
