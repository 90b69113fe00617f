/**
 * Joint vectors. A pose is one number a degree of freedom: arm joints in rad, then the gripper opening in m.
 * An X5 has six joints and a gripper, so `dof` is 7 and index 6 is the gripper.
 */

/** Degrees of freedom in the first page of the segment, fixed by its published table. */
export const SEED_DOF = 7;

/** Most degrees of freedom any arm may have; extension pages are sized by it. */
export const MAX_DOF = 16;

/** Rows of actions in the first page of the segment. */
export const SEED_CHUNK_ROWS = 36;

/** Most rows a chunk may have. */
export const MAX_CHUNK_ROWS = 128;
