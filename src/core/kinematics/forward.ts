import { type KinematicModel, TRANSFORM } from './model.ts';

/** Places every link at pose `q`, in the base frame, into `model.placements`. Missing coordinates count as 0. */
export function placeLinks(model: KinematicModel, q: ArrayLike<number>): Float64Array {
  const out = model.placements;
  for (let index = 0; index < model.links.length; index++) {
    const link = model.links[index]!;
    const at = index * TRANSFORM;
    if (link.parent < 0) {
      copyOrigin(link.originRotation, link.originPosition, out, at);
    } else {
      composeOrigin(out, link.parent * TRANSFORM, link.originRotation, link.originPosition, at);
    }
    if (link.coordinate < 0) continue;
    const amount = (q[link.coordinate] ?? 0) * model.ratios[index]!;
    if (link.type === 'revolute') rotate(out, at, link.axis, amount);
    else translate(out, at, link.axis, amount);
  }
  return out;
}

/**
 * Forward kinematics: the pose of a link (the tip when none is named) at `q`, in the base frame.
 * Writes x, y, z (m) and the quaternion w, x, y, z to `out`.
 */
export function forward(
  model: KinematicModel,
  q: ArrayLike<number>,
  out: Float64Array,
  link = model.tip,
): Float64Array {
  const placements = placeLinks(model, q);
  const at = link * TRANSFORM;
  out[0] = placements[at + 9]!;
  out[1] = placements[at + 10]!;
  out[2] = placements[at + 11]!;
  rotationToQuaternion(placements, at, out, 3);
  return out;
}

function copyOrigin(rotation: ArrayLike<number>, position: ArrayLike<number>, out: Float64Array, at: number) {
  for (let i = 0; i < 9; i++) out[at + i] = rotation[i]!;
  for (let i = 0; i < 3; i++) out[at + 9 + i] = position[i]!;
}

function composeOrigin(
  m: Float64Array,
  parent: number,
  rotation: ArrayLike<number>,
  position: ArrayLike<number>,
  at: number,
) {
  for (let row = 0; row < 3; row++) {
    const a = m[parent + row * 3]!;
    const b = m[parent + row * 3 + 1]!;
    const c = m[parent + row * 3 + 2]!;
    for (let column = 0; column < 3; column++) {
      m[at + row * 3 + column] =
        a * rotation[column]! + b * rotation[3 + column]! + c * rotation[6 + column]!;
    }
    m[at + 9 + row] = a * position[0]! + b * position[1]! + c * position[2]! + m[parent + 9 + row]!;
  }
}

/** Turns the frame at `at` about its own `axis` (Rodrigues' formula). */
function rotate(m: Float64Array, at: number, axis: ArrayLike<number>, angleRad: number) {
  const s = Math.sin(angleRad);
  const c = Math.cos(angleRad);
  const k = 1 - c;
  const x = axis[0]!;
  const y = axis[1]!;
  const z = axis[2]!;
  for (let row = 0; row < 3; row++) {
    const i = at + row * 3;
    const a = m[i]!;
    const b = m[i + 1]!;
    const d = m[i + 2]!;
    m[i] = a * (k * x * x + c) + b * (k * x * y + s * z) + d * (k * x * z - s * y);
    m[i + 1] = a * (k * x * y - s * z) + b * (k * y * y + c) + d * (k * y * z + s * x);
    m[i + 2] = a * (k * x * z + s * y) + b * (k * y * z - s * x) + d * (k * z * z + c);
  }
}

/** Moves the frame at `at` along its own `axis`. */
function translate(m: Float64Array, at: number, axis: ArrayLike<number>, distanceM: number) {
  for (let row = 0; row < 3; row++) {
    const i = at + row * 3;
    m[at + 9 + row]! += (m[i]! * axis[0]! + m[i + 1]! * axis[1]! + m[i + 2]! * axis[2]!) * distanceM;
  }
}

/** Rotation matrix at `from` in `m` to the unit quaternion w, x, y, z at `to` in `out`, with w not negative. */
export function rotationToQuaternion(
  m: ArrayLike<number>,
  from: number,
  out: Float64Array,
  to: number,
): void {
  const xx = m[from]!;
  const yy = m[from + 4]!;
  const zz = m[from + 8]!;
  const trace = xx + yy + zz;
  let w: number;
  let x: number;
  let y: number;
  let z: number;
  // Divide by the largest of the four, which is never near zero (Shepperd's method).
  if (trace > 0) {
    const s = 2 * Math.sqrt(1 + trace);
    w = s / 4;
    x = (m[from + 7]! - m[from + 5]!) / s;
    y = (m[from + 2]! - m[from + 6]!) / s;
    z = (m[from + 3]! - m[from + 1]!) / s;
  } else if (xx >= yy && xx >= zz) {
    const s = 2 * Math.sqrt(1 + xx - yy - zz);
    w = (m[from + 7]! - m[from + 5]!) / s;
    x = s / 4;
    y = (m[from + 1]! + m[from + 3]!) / s;
    z = (m[from + 2]! + m[from + 6]!) / s;
  } else if (yy >= zz) {
    const s = 2 * Math.sqrt(1 + yy - xx - zz);
    w = (m[from + 2]! - m[from + 6]!) / s;
    x = (m[from + 1]! + m[from + 3]!) / s;
    y = s / 4;
    z = (m[from + 5]! + m[from + 7]!) / s;
  } else {
    const s = 2 * Math.sqrt(1 + zz - xx - yy);
    w = (m[from + 3]! - m[from + 1]!) / s;
    x = (m[from + 2]! + m[from + 6]!) / s;
    y = (m[from + 5]! + m[from + 7]!) / s;
    z = s / 4;
  }
  const sign = w < 0 ? -1 : 1;
  out[to] = sign * w;
  out[to + 1] = sign * x;
  out[to + 2] = sign * y;
  out[to + 3] = sign * z;
}
