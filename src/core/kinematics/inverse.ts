import { placeLinks } from './forward.ts';
import { jacobianOfPlacement } from './jacobian.ts';
import { type KinematicModel, POSE, TRANSFORM } from './model.ts';

/** Lowest and highest position of each joint, rad; at least `armDof` long. */
export interface JointRange {
  readonly positionMin: ArrayLike<number>;
  readonly positionMax: ArrayLike<number>;
}

export interface InverseOptions {
  /** Largest distance from the target that counts as reached, m. Default 0.0001. */
  readonly positionToleranceM?: number;
  /** Largest rotation from the target that counts as reached, rad. Default 0.001. */
  readonly orientationToleranceRad?: number;
  /** Steps per starting pose. Default 80. */
  readonly iterations?: number;
  /** Starting poses tried after the given one, spread evenly over the joint ranges. Default 100. */
  readonly extraSeeds?: number;
  /** Metres that a radian of orientation error counts for. Default 0.1; 0 asks for the position only. */
  readonly orientationWeightM?: number;
}

export interface InverseResult {
  /** True when both tolerances are met. */
  readonly solved: boolean;
  /** The best pose found, within the joint ranges; `armDof` long. Owned by the solver: copy what you keep. */
  readonly q: Float64Array;
  readonly positionErrorM: number;
  readonly orientationErrorRad: number;
}

const ENOUGH_SOLUTIONS = 4;
const PRIMES = [2, 3, 5, 7, 11, 13, 17, 19];

/**
 * Inverse kinematics by damped least squares (Levenberg-Marquardt): every step solves
 * (J'J + damping) dq = J'e, joints that press against a limit are taken out of the step, and damping grows
 * when a step makes things worse. Of several starting poses the solution nearest the given seed wins.
 * One solver serves one model; it allocates once.
 */
export class InverseSolver {
  readonly #model: KinematicModel;
  readonly #jacobian: Float64Array;
  readonly #normal: Float64Array;
  readonly #step: Float64Array;
  readonly #error = new Float64Array(6);
  readonly #q: Float64Array;
  readonly #trial: Float64Array;
  readonly #best: Float64Array;
  readonly #target = new Float64Array(TRANSFORM);
  #positionErrorM = 0;
  #orientationErrorRad = 0;

  constructor(model: KinematicModel) {
    const n = model.armDof;
    this.#model = model;
    this.#jacobian = new Float64Array(6 * n);
    this.#normal = new Float64Array(n * n);
    this.#step = new Float64Array(n);
    this.#q = new Float64Array(n);
    this.#trial = new Float64Array(n);
    this.#best = new Float64Array(n);
  }

  /**
   * @param target tip pose in the base frame: x, y, z (m), quaternion w, x, y, z
   * @param seed pose to start from and to stay near
   */
  solve(
    target: ArrayLike<number>,
    seed: ArrayLike<number>,
    range: JointRange,
    options: InverseOptions = {},
  ): InverseResult {
    const toleranceM = options.positionToleranceM ?? 1e-4;
    const toleranceRad = options.orientationToleranceRad ?? 1e-3;
    const iterations = options.iterations ?? 80;
    const extraSeeds = options.extraSeeds ?? 100;
    const weight = options.orientationWeightM ?? 0.1;
    const n = this.#model.armDof;
    poseToTransform(target, this.#target);
    let solved = false;
    let solutions = 0;
    let bestScore = Number.POSITIVE_INFINITY;
    let positionErrorM = Number.POSITIVE_INFINITY;
    let orientationErrorRad = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt <= extraSeeds; attempt++) {
      for (let i = 0; i < n; i++) {
        const low = range.positionMin[i]!;
        const high = range.positionMax[i]!;
        const start = attempt === 0 ? seed[i]! : low + (high - low) * halton(attempt, PRIMES[i % 8]!);
        this.#q[i] = Math.min(high, Math.max(low, start));
      }
      this.#descend(range, iterations, weight, toleranceM, toleranceRad);
      const reached =
        this.#positionErrorM <= toleranceM && (weight === 0 || this.#orientationErrorRad <= toleranceRad);
      if (solved && !reached) continue;
      const score = reached
        ? this.#distanceTo(seed)
        : this.#positionErrorM + weight * this.#orientationErrorRad;
      if (score < bestScore || (reached && !solved)) {
        bestScore = score;
        solved = reached;
        this.#best.set(this.#q);
        positionErrorM = this.#positionErrorM;
        orientationErrorRad = this.#orientationErrorRad;
      }
      // The seed's own descent stays on the seed's branch: no other start would be nearer in a useful way.
      // Without it, a few solutions are enough to choose from.
      if (reached) solutions += 1;
      if (attempt === 0 && reached) break;
      if (solutions === ENOUGH_SOLUTIONS) break;
    }
    return { solved, q: this.#best, positionErrorM, orientationErrorRad };
  }

  #descend(range: JointRange, iterations: number, weight: number, toleranceM: number, toleranceRad: number) {
    const n = this.#model.armDof;
    let damping = 1e-3;
    let cost = this.#measure(this.#q, weight);
    for (let iteration = 0; iteration < iterations; iteration++) {
      // A tenth of the tolerance, so that the answer is well inside it.
      if (
        this.#positionErrorM <= toleranceM * 0.1 &&
        (weight === 0 || this.#orientationErrorRad <= toleranceRad * 0.1)
      ) {
        return;
      }
      this.#solveStep(range, damping, weight);
      for (let i = 0; i < n; i++) {
        const moved = this.#q[i]! + Math.min(0.5, Math.max(-0.5, this.#step[i]!));
        this.#trial[i] = Math.min(range.positionMax[i]!, Math.max(range.positionMin[i]!, moved));
      }
      const trialCost = this.#measure(this.#trial, weight);
      if (trialCost < cost) {
        this.#q.set(this.#trial);
        damping = Math.max(1e-9, damping * 0.3);
        cost = trialCost;
      } else {
        damping *= 8;
        cost = this.#measure(this.#q, weight);
        if (damping > 1e4) return;
      }
    }
  }

  /** Places the arm at `q` and measures its error; returns the cost. */
  #measure(q: Float64Array, weight: number): number {
    const m = placeLinks(this.#model, q);
    const at = this.#model.tip * TRANSFORM;
    const e = this.#error;
    const t = this.#target;
    for (let i = 0; i < 3; i++) e[i] = t[9 + i]! - m[at + 9 + i]!;
    rotationError(t, m, at, e);
    this.#positionErrorM = Math.hypot(e[0]!, e[1]!, e[2]!);
    this.#orientationErrorRad = Math.hypot(e[3]!, e[4]!, e[5]!);
    return this.#positionErrorM ** 2 + (weight * this.#orientationErrorRad) ** 2;
  }

  /** Fills the step for the pose that `#measure` placed last. */
  #solveStep(range: JointRange, damping: number, weight: number) {
    const n = this.#model.armDof;
    const j = jacobianOfPlacement(this.#model, this.#jacobian);
    const h = this.#normal;
    const g = this.#step;
    const e = this.#error;
    for (let a = 0; a < n; a++) {
      let gradient = 0;
      for (let row = 0; row < 6; row++) {
        const w = row < 3 ? 1 : weight * weight;
        gradient += w * j[row * n + a]! * e[row]!;
      }
      g[a] = gradient;
      for (let b = 0; b <= a; b++) {
        let sum = 0;
        for (let row = 0; row < 6; row++) {
          const w = row < 3 ? 1 : weight * weight;
          sum += w * j[row * n + a]! * j[row * n + b]!;
        }
        h[a * n + b] = sum;
        h[b * n + a] = sum;
      }
    }
    for (let a = 0; a < n; a++) {
      const atLow = this.#q[a]! <= range.positionMin[a]! && g[a]! < 0;
      const atHigh = this.#q[a]! >= range.positionMax[a]! && g[a]! > 0;
      if (atLow || atHigh) {
        for (let b = 0; b < n; b++) {
          h[a * n + b] = 0;
          h[b * n + a] = 0;
        }
        g[a] = 0;
        h[a * n + a] = 1;
      }
      h[a * n + a]! += damping * (1e-3 + h[a * n + a]!);
    }
    solveCholesky(h, g, n);
  }

  #distanceTo(seed: ArrayLike<number>): number {
    let largest = 0;
    for (let i = 0; i < this.#q.length; i++) largest = Math.max(largest, Math.abs(this.#q[i]! - seed[i]!));
    return largest;
  }
}

const solvers = new WeakMap<KinematicModel, InverseSolver>();

/** One-call form of {@link InverseSolver.solve}; the model's solver is made once and kept. */
export function inverse(
  model: KinematicModel,
  target: ArrayLike<number>,
  seed: ArrayLike<number>,
  range: JointRange,
  options: InverseOptions = {},
): InverseResult {
  let solver = solvers.get(model);
  if (solver === undefined) {
    solver = new InverseSolver(model);
    solvers.set(model, solver);
  }
  return solver.solve(target, seed, range, options);
}

/** Point `index` of the Halton sequence in `base`: evenly spread numbers in (0, 1), the same every time. */
function halton(index: number, base: number): number {
  let value = 0;
  let share = 1;
  for (let rest = index; rest > 0; rest = Math.floor(rest / base)) {
    share /= base;
    value += share * (rest % base);
  }
  return value;
}

function poseToTransform(pose: ArrayLike<number>, out: Float64Array): void {
  if (pose.length < POSE) throw new RangeError(`a pose has ${POSE} numbers, not ${pose.length}`);
  const norm = Math.hypot(pose[3]!, pose[4]!, pose[5]!, pose[6]!);
  const w = pose[3]! / norm;
  const x = pose[4]! / norm;
  const y = pose[5]! / norm;
  const z = pose[6]! / norm;
  out[0] = 1 - 2 * (y * y + z * z);
  out[1] = 2 * (x * y - w * z);
  out[2] = 2 * (x * z + w * y);
  out[3] = 2 * (x * y + w * z);
  out[4] = 1 - 2 * (x * x + z * z);
  out[5] = 2 * (y * z - w * x);
  out[6] = 2 * (x * z - w * y);
  out[7] = 2 * (y * z + w * x);
  out[8] = 1 - 2 * (x * x + y * y);
  out[9] = pose[0]!;
  out[10] = pose[1]!;
  out[11] = pose[2]!;
}

/** Rotation vector, in the base frame, that turns the frame at `at` in `m` onto the target; into e[3..5]. */
function rotationError(target: Float64Array, m: Float64Array, at: number, e: Float64Array): void {
  // R = target * current^T; its skew part is sin(angle) * axis, its trace gives cos(angle).
  let trace = 0;
  let sx = 0;
  let sy = 0;
  let sz = 0;
  for (let k = 0; k < 3; k++) {
    const t0 = target[k]!;
    const t1 = target[3 + k]!;
    const t2 = target[6 + k]!;
    const c0 = m[at + k]!;
    const c1 = m[at + 3 + k]!;
    const c2 = m[at + 6 + k]!;
    trace += t0 * c0 + t1 * c1 + t2 * c2;
    sx += t2 * c1 - t1 * c2;
    sy += t0 * c2 - t2 * c0;
    sz += t1 * c0 - t0 * c1;
  }
  const sine = Math.hypot(sx, sy, sz) / 2;
  const angle = Math.atan2(sine, (trace - 1) / 2);
  // Exactly opposite, one axis is as good as another; a turn about z gets the descent off the spot.
  if (sine < 1e-12) {
    e[3] = 0;
    e[4] = 0;
    e[5] = angle;
    return;
  }
  const scale = angle / (2 * sine);
  e[3] = sx * scale;
  e[4] = sy * scale;
  e[5] = sz * scale;
}

/** Solves H x = g in place (H symmetric positive definite, n x n, destroyed; g becomes x). */
function solveCholesky(h: Float64Array, g: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = h[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= h[i * n + k]! * h[j * n + k]!;
      h[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-30)) : sum / h[j * n + j]!;
    }
  }
  for (let i = 0; i < n; i++) {
    let sum = g[i]!;
    for (let k = 0; k < i; k++) sum -= h[i * n + k]! * g[k]!;
    g[i] = sum / h[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = g[i]!;
    for (let k = i + 1; k < n; k++) sum -= h[k * n + i]! * g[k]!;
    g[i] = sum / h[i * n + i]!;
  }
}
