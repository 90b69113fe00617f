import { placeLinks } from './forward.ts';
import { type KinematicModel, TRANSFORM } from './model.ts';

/** Standard gravity in a base frame whose z points up, m/s2. */
export const GRAVITY_DOWN: Readonly<ArrayLike<number>> = Float64Array.of(0, 0, -9.81);

/**
 * The torque each joint must give to hold the arm still at `q` (Nm; N for a gripper): the recursive
 * Newton-Euler equations at rest. Going from the tip back to the base, each link adds its mass and first
 * moment to its parent's; a joint then carries the moment of everything beyond it about its own axis.
 *
 * @param gravity acceleration of gravity in the base frame, m/s2
 * @param outNm `model.dof` numbers
 */
export function gravityTorque(
  model: KinematicModel,
  q: ArrayLike<number>,
  gravity: ArrayLike<number>,
  outNm: Float64Array,
): Float64Array {
  const { links, carried, massesKg, ratios } = model;
  const m = placeLinks(model, q);
  const gx = gravity[0]!;
  const gy = gravity[1]!;
  const gz = gravity[2]!;
  carried.fill(0);
  for (let i = 0; i < model.dof; i++) outNm[i] = 0;
  for (let index = links.length - 1; index >= 0; index--) {
    const link = links[index]!;
    const at = index * TRANSFORM;
    const own = index * 4;
    const c = link.centerOfMass;
    const massKg = massesKg[index]!;
    for (let row = 0; row < 3; row++) {
      const r = at + row * 3;
      const center = m[r]! * c[0]! + m[r + 1]! * c[1]! + m[r + 2]! * c[2]! + m[at + 9 + row]!;
      carried[own + 1 + row]! += massKg * center;
    }
    carried[own]! += massKg;
    if (link.parent >= 0) {
      for (let i = 0; i < 4; i++) carried[link.parent * 4 + i]! += carried[own + i]!;
    }
    if (link.coordinate < 0) continue;
    const mass = carried[own]!;
    const a = link.axis;
    const ax = m[at]! * a[0]! + m[at + 1]! * a[1]! + m[at + 2]! * a[2]!;
    const ay = m[at + 3]! * a[0]! + m[at + 4]! * a[1]! + m[at + 5]! * a[2]!;
    const az = m[at + 6]! * a[0]! + m[at + 7]! * a[1]! + m[at + 8]! * a[2]!;
    let load: number;
    if (link.type === 'revolute') {
      const sx = carried[own + 1]! - mass * m[at + 9]!;
      const sy = carried[own + 2]! - mass * m[at + 10]!;
      const sz = carried[own + 3]! - mass * m[at + 11]!;
      load = ax * (sy * gz - sz * gy) + ay * (sz * gx - sx * gz) + az * (sx * gy - sy * gx);
    } else {
      load = mass * (ax * gx + ay * gy + az * gz);
    }
    outNm[link.coordinate]! -= ratios[index]! * load;
  }
  return outNm;
}

/** Energy of the arm's weight at `q`, J, zero with all mass at the base frame's origin. */
export function potentialEnergy(
  model: KinematicModel,
  q: ArrayLike<number>,
  gravity: ArrayLike<number>,
): number {
  const m = placeLinks(model, q);
  let energy = 0;
  for (let index = 0; index < model.links.length; index++) {
    const link = model.links[index]!;
    const c = link.centerOfMass;
    for (let row = 0; row < 3; row++) {
      const r = index * TRANSFORM + row * 3;
      const center = m[r]! * c[0]! + m[r + 1]! * c[1]! + m[r + 2]! * c[2]! + m[index * TRANSFORM + 9 + row]!;
      energy -= link.massKg * gravity[row]! * center;
    }
  }
  return energy;
}
