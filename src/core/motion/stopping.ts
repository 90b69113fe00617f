/**
 * Where a joint comes to rest. From position `p`, velocity `v` and acceleration `a` it brakes as fast as an
 * acceleration limit `A` and a jerk limit `J` allow: jerk against the motion, perhaps a stretch at full
 * deceleration, jerk back to zero. The end is monotone in each of p, v and a, so a wanted end can be solved for.
 */

/** Position at which braking ends. Derived by integrating the three phases; times from v(end) = a(end) = 0. */
export function stopPosition(p: number, v: number, a: number, A: number, J: number): number {
  // The velocity that would remain if the acceleration alone were taken away says which way to brake.
  const sign = v + (a * Math.abs(a)) / (2 * J) < 0 ? -1 : 1;
  return sign * stopForward(sign * p, sign * v, sign * a, A, J);
}

/** The furthest position upwards on the way to rest; `p` itself when nothing carries it further. */
export function highestPosition(p: number, v: number, a: number, A: number, J: number): number {
  if (v + (a * Math.abs(a)) / (2 * J) >= 0) return Math.max(p, stopForward(p, v, a, A, J));
  if (v <= 0) return p;
  // Braking is harder than it must be: eased at once, the velocity still passes through zero on the way.
  const t = (-a - Math.sqrt(a * a - 2 * J * v)) / J;
  return p + t * (v + t * (a / 2 + (t * J) / 6));
}

/** The furthest position downwards on the way to rest. */
export const lowestPosition = (p: number, v: number, a: number, A: number, J: number): number =>
  -highestPosition(-p, -v, -a, A, J);

/**
 * Velocity gained, with its sign, while the acceleration is taken to zero by `stepA = J * dt` a time step.
 * Exact for a jerk that changes only at time steps, so a velocity bound kept with it is kept at every step.
 */
export function velocityToCome(a: number, stepA: number, dt: number): number {
  const size = Math.abs(a);
  const whole = Math.floor(size / stepA);
  const gained = dt * (whole * size - (stepA * whole * whole) / 2 + (size - whole * stepA) / 2);
  return a < 0 ? -gained : gained;
}

/** The end of {@link forward}, on its own and short because it is asked for hundreds of times a tick. */
function stopForward(p: number, v: number, a: number, A: number, J: number): number {
  let peak = Math.sqrt(Math.max(0, J * v + (a * a) / 2));
  let held = 0;
  const most = Math.max(A, -a);
  if (peak > most) {
    peak = most;
    held = (v + (a * a) / (2 * J) - (peak * peak) / J) / peak;
  }
  const t1 = (a + peak) / J;
  const v1 = v + t1 * (a - (J * t1) / 2);
  const p1 = p + t1 * (v + t1 * (a / 2 - (J * t1) / 6));
  const v2 = v1 - peak * held;
  const p2 = p1 + held * (v1 - (peak * held) / 2);
  const t3 = peak / J;
  return p2 + t3 * (v2 - t3 * (peak / 2 - (J * t3) / 6));
}

/** Position `t` seconds into braking; the end of it for any later time. */
export function brakingPosition(p: number, v: number, a: number, A: number, J: number, t: number): number {
  if (v + (a * Math.abs(a)) / (2 * J) < 0) return -forward(-p, -v, -a, A, J, t);
  return forward(p, v, a, A, J, t);
}

/** How long braking takes, s. */
export function brakingTime(v: number, a: number, A: number, J: number): number {
  const sign = v + (a * Math.abs(a)) / (2 * J) < 0 ? -1 : 1;
  const speed = sign * v;
  const push = sign * a;
  const free = Math.sqrt(Math.max(0, J * speed + (push * push) / 2));
  const peak = Math.min(free, Math.max(A, -push));
  const held = peak < free ? (speed + (push * push) / (2 * J) - (peak * peak) / J) / peak : 0;
  return (push + 2 * peak) / J + held;
}

function forward(p: number, v: number, a: number, A: number, J: number, t: number): number {
  let peak = Math.sqrt(Math.max(0, J * v + (a * a) / 2));
  let held = 0;
  const most = Math.max(A, -a);
  if (peak > most) {
    peak = most;
    held = (v + (a * a) / (2 * J) - (peak * peak) / J) / peak;
  }
  const t1 = Math.min((a + peak) / J, t);
  const v1 = v + t1 * (a - (J * t1) / 2);
  const p1 = p + t1 * (v + t1 * (a / 2 - (J * t1) / 6));
  const t2 = Math.min(held, Math.max(0, t - t1));
  const v2 = v1 - peak * t2;
  const p2 = p1 + t2 * (v1 - (peak * t2) / 2);
  const t3 = Math.min(peak / J, Math.max(0, t - t1 - t2));
  return p2 + t3 * (v2 - t3 * (peak / 2 - (J * t3) / 6));
}
