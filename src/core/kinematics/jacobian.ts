import { placeLinks } from './forward.ts';
import { type KinematicModel, TRANSFORM } from './model.ts';

/**
 * The geometric Jacobian of a link's origin (the tip when none is named) at `q`, in the base frame:
 * `out` is 6 x armDof, row by row; rows 0 to 2 linear (m per rad or m), rows 3 to 5 angular (rad per rad).
 */
export function jacobian(
  model: KinematicModel,
  q: ArrayLike<number>,
  out: Float64Array,
  link = model.tip,
): Float64Array {
  placeLinks(model, q);
  return jacobianOfPlacement(model, out, link);
}

/** The same for links that `placeLinks` has already placed. */
export function jacobianOfPlacement(
  model: KinematicModel,
  out: Float64Array,
  link = model.tip,
): Float64Array {
  const { placements, chain, armDof } = model;
  const x = placements[link * TRANSFORM + 9]!;
  const y = placements[link * TRANSFORM + 10]!;
  const z = placements[link * TRANSFORM + 11]!;
  for (let column = 0; column < armDof; column++) {
    const joint = model.links[chain[column]!]!;
    const at = chain[column]! * TRANSFORM;
    const axis = joint.axis;
    const ax = placements[at]! * axis[0]! + placements[at + 1]! * axis[1]! + placements[at + 2]! * axis[2]!;
    const ay =
      placements[at + 3]! * axis[0]! + placements[at + 4]! * axis[1]! + placements[at + 5]! * axis[2]!;
    const az =
      placements[at + 6]! * axis[0]! + placements[at + 7]! * axis[1]! + placements[at + 8]! * axis[2]!;
    const turns = joint.type === 'revolute';
    const rx = x - placements[at + 9]!;
    const ry = y - placements[at + 10]!;
    const rz = z - placements[at + 11]!;
    out[column] = turns ? ay * rz - az * ry : ax;
    out[armDof + column] = turns ? az * rx - ax * rz : ay;
    out[2 * armDof + column] = turns ? ax * ry - ay * rx : az;
    out[3 * armDof + column] = turns ? ax : 0;
    out[4 * armDof + column] = turns ? ay : 0;
    out[5 * armDof + column] = turns ? az : 0;
  }
  return out;
}
