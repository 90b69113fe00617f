import { type Capsule, KinematicModel, type Link } from './model.ts';

/** Small arms for tests, made from numbers rather than files. */

const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];

export interface SampleJoint {
  readonly axis: readonly [number, number, number];
  /** Position of the joint in its parent link. */
  readonly position: readonly [number, number, number];
  /** Turn of the joint's frame about x, rad. */
  readonly rollRad?: number;
  readonly prismatic?: boolean;
  readonly massKg?: number;
  readonly centerOfMass?: readonly [number, number, number];
  readonly capsules?: readonly Capsule[];
}

/** A chain of moving links on a fixed base, with a tip `tipX` along the last link. */
export function sampleArm(joints: readonly SampleJoint[], tipX = 0.1): KinematicModel {
  const links: Link[] = [fixedLink('base', -1, [0, 0, 0])];
  joints.forEach((joint, index) => {
    const roll = joint.rollRad ?? 0;
    const [s, c] = [Math.sin(roll), Math.cos(roll)];
    const length = Math.hypot(...joint.axis);
    links.push({
      name: `link${index + 1}`,
      parent: index,
      joint: `joint${index + 1}`,
      type: joint.prismatic ? 'prismatic' : 'revolute',
      originRotation: [1, 0, 0, 0, c, -s, 0, s, c],
      originPosition: joint.position,
      axis: joint.axis.map((value) => value / length),
      coordinate: index,
      ratio: 1,
      massKg: joint.massKg ?? 0,
      centerOfMass: joint.centerOfMass ?? [0, 0, 0],
      capsules: joint.capsules ?? [],
    });
  });
  links.push(fixedLink('tip', joints.length, [tipX, 0, 0]));
  return new KinematicModel('sample', links, 'tip');
}

function fixedLink(name: string, parent: number, originPosition: readonly number[]): Link {
  return {
    name,
    parent,
    joint: parent < 0 ? '' : `${name}_joint`,
    type: 'fixed',
    originRotation: IDENTITY,
    originPosition,
    axis: [1, 0, 0],
    coordinate: -1,
    ratio: 0,
    massKg: 0,
    centerOfMass: [0, 0, 0],
    capsules: [],
  };
}
