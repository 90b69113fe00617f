/**
 * An arm as a tree of rigid links. Links stand parents first, so one pass from front to back places them all.
 *
 * Coordinates: `q` is a pose as everywhere in Myelin, arm joints rad and then, if the arm has fingers, the
 * gripper opening in m. A finger joint moves by half of the opening (`ratio` 0.5).
 */

/** A round-ended stick from `a` to `b` in the frame of its link, m. `a` equal to `b` is a ball. */
export interface Capsule {
  readonly a: readonly [number, number, number];
  readonly b: readonly [number, number, number];
  readonly radiusM: number;
}

export interface Link {
  readonly name: string;
  /** Index of the parent link; -1 for the base. */
  readonly parent: number;
  /** Name of the joint that carries this link; empty for the base. */
  readonly joint: string;
  readonly type: 'fixed' | 'revolute' | 'prismatic';
  /** Rotation (row by row) and position of the joint's frame in its parent link. */
  readonly originRotation: ArrayLike<number>;
  readonly originPosition: ArrayLike<number>;
  /** Unit axis in the joint's frame. */
  readonly axis: ArrayLike<number>;
  /** Index into `q`; -1 for a fixed joint. */
  readonly coordinate: number;
  /** How far the joint moves per unit of its coordinate. */
  readonly ratio: number;
  readonly massKg: number;
  /** Centre of mass in the link's frame, m. */
  readonly centerOfMass: ArrayLike<number>;
  readonly capsules: readonly Capsule[];
}

/** Numbers a link placement takes: rotation matrix row by row (9), then position (3). */
export const TRANSFORM = 12;

/** Numbers a pose takes: x, y, z in m, then the unit quaternion w, x, y, z. */
export const POSE = 7;

/**
 * A parsed arm. It owns the scratch memory of every function that takes it, so none of them allocates;
 * the price is that two threads may not share one model.
 */
export class KinematicModel {
  readonly name: string;
  readonly links: readonly Link[];
  /** Joints of the chain from base to tip; `q` has at least this many numbers. */
  readonly armDof: number;
  /** Numbers in a pose `q`, with the gripper if there is one. */
  readonly dof: number;
  /** Index of the tool link. */
  readonly tip: number;
  readonly jointNames: readonly string[];
  /** What the description said that could not be used, in words. */
  readonly warnings: readonly string[];
  /** Scratch: placement of every link in the base frame, filled by `placeLinks`. */
  readonly placements: Float64Array;
  /** Scratch: mass (1) and first moment (3) of everything each link carries. */
  readonly carried: Float64Array;
  /** `massKg` and `ratio` of every link once more: read from objects of unlike shapes, numbers are boxed each time. */
  readonly massesKg: Float64Array;
  readonly ratios: Float64Array;
  /** The moving links that carry the tip, base first, one per arm joint. */
  readonly chain: Int32Array;

  constructor(name: string, links: readonly Link[], tipName: string, warnings: readonly string[] = []) {
    this.name = name;
    // Typed arrays throughout: reading a plain array that holds 0 here and 0.5 there makes the engine box numbers.
    this.links = links.map((link) => ({
      ...link,
      originRotation: Float64Array.from(link.originRotation),
      originPosition: Float64Array.from(link.originPosition),
      axis: Float64Array.from(link.axis),
      centerOfMass: Float64Array.from(link.centerOfMass),
    }));
    this.warnings = warnings;
    this.tip = links.findIndex((link) => link.name === tipName);
    const chain: number[] = [];
    for (let index = this.tip; index >= 0; index = links[index]!.parent) {
      if (links[index]!.coordinate >= 0) chain.unshift(index);
    }
    this.chain = Int32Array.from(chain);
    this.armDof = chain.length;
    this.jointNames = chain.map((index) => links[index]!.joint);
    this.dof = Math.max(this.armDof, ...links.map((link) => link.coordinate + 1));
    this.massesKg = Float64Array.from(links, (link) => link.massKg);
    this.ratios = Float64Array.from(links, (link) => link.ratio);
    this.placements = new Float64Array(links.length * TRANSFORM);
    this.carried = new Float64Array(links.length * 4);
  }

  /** Index of a link by name; -1 when there is none. */
  linkIndex(name: string): number {
    return this.links.findIndex((link) => link.name === name);
  }
}
