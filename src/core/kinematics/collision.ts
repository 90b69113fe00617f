import { placeLinks } from './forward.ts';
import { type KinematicModel, TRANSFORM } from './model.ts';

/** One capsule placed on the arm. */
interface PlacedCapsule {
  readonly link: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly radiusM: number;
}

/** Answer of {@link CollisionModel.selfDistance}. */
export interface Nearest {
  /** Smallest gap between two parts, m; negative when they overlap, infinite when no pair is checked. */
  distanceM: number;
  /** Link indices of that pair; -1 when no pair is checked. */
  linkA: number;
  linkB: number;
}

/**
 * The arm as capsules: how near it is to itself and to a plane. Links joined to each other are not compared,
 * fingers are not compared with each other, and a pair that already overlaps at the rest pose is left out
 * (its shapes are drawn too generously to say anything) and named in `skipped`.
 */
export class CollisionModel {
  /** Link names of pairs left out because they overlap at the rest pose. */
  readonly skipped: readonly string[];
  readonly pairCount: number;
  readonly #model: KinematicModel;
  readonly #capsules: readonly PlacedCapsule[];
  readonly #pairs: Int32Array;
  /** Both ends of every capsule in the base frame, six numbers each. */
  readonly #ends: Float64Array;
  readonly #distance = new Float64Array(1);
  readonly #nearest: Nearest = { distanceM: Number.POSITIVE_INFINITY, linkA: -1, linkB: -1 };

  /** @param restPose a pose known to be free of self-collision, for example home */
  constructor(model: KinematicModel, restPose: ArrayLike<number>) {
    this.#model = model;
    this.#capsules = model.links.flatMap((link, index) =>
      link.capsules.map(({ a, b, radiusM }) => ({
        link: index,
        a: Float64Array.from(a),
        b: Float64Array.from(b),
        radiusM,
      })),
    );
    this.#ends = new Float64Array(this.#capsules.length * 6);
    this.#place(restPose);
    const pairs: number[] = [];
    const skipped = new Set<string>();
    for (let i = 0; i < this.#capsules.length; i++) {
      for (let k = i + 1; k < this.#capsules.length; k++) {
        const a = this.#capsules[i]!.link;
        const b = this.#capsules[k]!.link;
        if (!this.#comparable(a, b)) continue;
        if (this.#gap(i, k) <= 0) skipped.add(`${model.links[a]!.name} and ${model.links[b]!.name}`);
        else pairs.push(i, k);
      }
    }
    this.#pairs = Int32Array.from(pairs);
    this.pairCount = pairs.length / 2;
    this.skipped = [...skipped];
  }

  /** The two parts of the arm that are nearest each other at `q`. The answer is reused: copy what you keep. */
  selfDistance(q: ArrayLike<number>): Readonly<Nearest> {
    this.#place(q);
    const nearest = this.#nearest;
    nearest.distanceM = Number.POSITIVE_INFINITY;
    nearest.linkA = -1;
    nearest.linkB = -1;
    for (let pair = 0; pair < this.#pairs.length; pair += 2) {
      const i = this.#pairs[pair]!;
      const k = this.#pairs[pair + 1]!;
      const gap = this.#gap(i, k);
      if (gap < nearest.distanceM) {
        nearest.distanceM = gap;
        nearest.linkA = this.#capsules[i]!.link;
        nearest.linkB = this.#capsules[k]!.link;
      }
    }
    return nearest;
  }

  /** Height of the lowest moving part at `q` in the base frame, m. The base itself, which stands there, is not counted. */
  lowestZ(q: ArrayLike<number>): number {
    this.#place(q);
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#capsules.length; i++) {
      if (this.#bodyOf(this.#capsules[i]!.link) === this.#bodyOf(0)) continue;
      const end = Math.min(this.#ends[i * 6 + 2]!, this.#ends[i * 6 + 5]!);
      lowest = Math.min(lowest, end - this.#capsules[i]!.radiusM);
    }
    return lowest;
  }

  #place(q: ArrayLike<number>): void {
    const m = placeLinks(this.#model, q);
    for (let i = 0; i < this.#capsules.length; i++) {
      const capsule = this.#capsules[i]!;
      const at = capsule.link * TRANSFORM;
      for (let row = 0; row < 3; row++) {
        const r = at + row * 3;
        const a = capsule.a;
        const b = capsule.b;
        const origin = m[at + 9 + row]!;
        this.#ends[i * 6 + row] = m[r]! * a[0]! + m[r + 1]! * a[1]! + m[r + 2]! * a[2]! + origin;
        this.#ends[i * 6 + 3 + row] = m[r]! * b[0]! + m[r + 1]! * b[1]! + m[r + 2]! * b[2]! + origin;
      }
    }
  }

  #gap(i: number, k: number): number {
    segmentDistance(this.#ends, i * 6, this.#ends, k * 6, this.#distance);
    return this.#distance[0]! - this.#capsules[i]!.radiusM - this.#capsules[k]!.radiusM;
  }

  #comparable(a: number, b: number): boolean {
    const bodyA = this.#bodyOf(a);
    const bodyB = this.#bodyOf(b);
    if (bodyA === bodyB || this.#parentBody(bodyA) === bodyB || this.#parentBody(bodyB) === bodyA)
      return false;
    const fingers = this.#model.armDof;
    const { links } = this.#model;
    return !(links[bodyA]!.coordinate === fingers && links[bodyB]!.coordinate === fingers);
  }

  /** The moving link (or the base) that a link is rigidly fixed to. */
  #bodyOf(link: number): number {
    const { links } = this.#model;
    while (links[link]!.coordinate < 0 && links[link]!.parent >= 0) link = links[link]!.parent;
    return link;
  }

  #parentBody(body: number): number {
    const parent = this.#model.links[body]!.parent;
    return parent < 0 ? -1 : this.#bodyOf(parent);
  }
}

/**
 * Smallest distance between two segments, each six numbers (both ends) at an offset, into `out` (a returned
 * fraction would be boxed, hundreds of times a tick). The closest points of
 * the two infinite lines, clamped to the segments (C. Ericson, Real-Time Collision Detection, section 5.1.9).
 */
export function segmentDistance(
  p: Float64Array,
  i: number,
  q: Float64Array,
  k: number,
  out: Float64Array,
): void {
  const ux = p[i + 3]! - p[i]!;
  const uy = p[i + 4]! - p[i + 1]!;
  const uz = p[i + 5]! - p[i + 2]!;
  const vx = q[k + 3]! - q[k]!;
  const vy = q[k + 4]! - q[k + 1]!;
  const vz = q[k + 5]! - q[k + 2]!;
  const wx = p[i]! - q[k]!;
  const wy = p[i + 1]! - q[k + 1]!;
  const wz = p[i + 2]! - q[k + 2]!;
  const uu = ux * ux + uy * uy + uz * uz;
  const vv = vx * vx + vy * vy + vz * vz;
  const uv = ux * vx + uy * vy + uz * vz;
  const uw = ux * wx + uy * wy + uz * wz;
  const vw = vx * wx + vy * wy + vz * wz;
  let s = 0;
  let t = 0;
  const tiny = 1e-18;
  if (uu > tiny && vv > tiny) {
    const denominator = uu * vv - uv * uv;
    s = denominator > 1e-12 * uu * vv ? clamp01((uv * vw - uw * vv) / denominator) : 0;
    t = (uv * s + vw) / vv;
    if (t < 0) {
      t = 0;
      s = clamp01(-uw / uu);
    } else if (t > 1) {
      t = 1;
      s = clamp01((uv - uw) / uu);
    }
  } else if (uu > tiny) {
    s = clamp01(-uw / uu);
  } else if (vv > tiny) {
    t = clamp01(vw / vv);
  }
  const x = wx + s * ux - t * vx;
  const y = wy + s * uy - t * vy;
  const z = wz + s * uz - t * vz;
  out[0] = Math.sqrt(x * x + y * y + z * z);
}

const clamp01 = (value: number): number => Math.min(1, Math.max(0, value));
