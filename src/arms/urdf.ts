import { readFileSync } from 'node:fs';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import { type Capsule, KinematicModel, type Link } from '../core/kinematics/model.ts';

/** What a description must offer to be used for an arm. */
export interface UrdfOptions {
  /** Link the tool pose is measured at. Default `eef_link`. */
  readonly tip?: string;
  /** Moving joints there must be between base and tip; any number when left out. */
  readonly armJoints?: number;
}

/** Descriptions of arms are tens of kilobytes; anything this long is not one. */
const MOST_BYTES = 8 * 1024 * 1024;

/**
 * Reads a URDF file. Joint limits in it are not used: the limits of the arm model are.
 * @throws MyelinError FILE_NOT_FOUND, URDF_INVALID
 */
export function readUrdf(file: string, options: UrdfOptions = {}): KinematicModel {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
    throw new MyelinError('URDF_INVALID', { file, detail: message }, { cause });
  }
  return parseUrdf(text, file, options);
}

const attributes = z.record(z.string(), z.string());
const shape = z.looseObject({
  origin: attributes.optional(),
  geometry: z.looseObject({
    cylinder: attributes.optional(),
    sphere: attributes.optional(),
    box: attributes.optional(),
  }),
});
const ROBOT = z.looseObject({
  robot: z.looseObject({
    name: z.string().default('arm'),
    link: z.array(
      z.looseObject({
        name: z.string(),
        inertial: z.looseObject({ origin: attributes.optional(), mass: attributes }).optional(),
        collision: z.array(shape).default([]),
      }),
    ),
    joint: z
      .array(
        z.looseObject({
          name: z.string(),
          type: z.string(),
          parent: z.object({ link: z.string() }),
          child: z.object({ link: z.string() }),
          origin: attributes.optional(),
          axis: attributes.optional(),
          mimic: attributes.optional(),
        }),
      )
      .default([]),
  }),
});
type Robot = z.output<typeof ROBOT>['robot'];
type RobotLink = Robot['link'][number];
type RobotJoint = Robot['joint'][number];
type RobotShape = RobotLink['collision'][number];

const LISTS = new Set(['link', 'joint', 'collision', 'visual']);

/** Parses URDF text; `file` is for messages. See {@link readUrdf}. */
export function parseUrdf(text: string, file: string, options: UrdfOptions = {}): KinematicModel {
  const fail = (detail: string, cause?: unknown): never => {
    throw new MyelinError('URDF_INVALID', { file, detail }, { cause });
  };
  if (text.length > MOST_BYTES) fail(`it is longer than ${MOST_BYTES} bytes`);
  let parsed: unknown;
  try {
    parsed = new XMLParser({
      ignoreAttributes: false,
      attributeNamePrefix: '',
      parseAttributeValue: false,
      processEntities: false,
      ignoreDeclaration: true,
      // <parent link="..."/> is an attribute, <link> below <robot> a list.
      isArray: (name, _path, _leaf, isAttribute) => !isAttribute && LISTS.has(name),
    }).parse(text, true);
  } catch (cause) {
    fail(cause instanceof Error ? cause.message : 'it is not XML', cause);
  }
  const checked = ROBOT.safeParse(parsed);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    return fail(`${describePath(parsed, issue?.path ?? [])}: ${issue?.message ?? 'not a robot'}`);
  }
  return new Builder(checked.data.robot, options, fail).build();
}

class Builder {
  readonly #robot: Robot;
  readonly #options: UrdfOptions;
  readonly #fail: (detail: string) => never;
  readonly #linkByName = new Map<string, RobotLink>();
  readonly #jointByChild = new Map<string, RobotJoint>();
  readonly #warnings: string[] = [];

  constructor(robot: Robot, options: UrdfOptions, fail: (detail: string) => never) {
    this.#robot = robot;
    this.#options = options;
    this.#fail = fail;
  }

  build(): KinematicModel {
    const tip = this.#options.tip ?? 'eef_link';
    const root = this.#connect();
    if (!this.#linkByName.has(tip)) this.#fail(`it has no link "${tip}", where the tool pose is measured`);
    const coordinates = this.#coordinates(tip);
    const wanted = this.#options.armJoints;
    const armJoints = [...coordinates.values()].filter(({ finger }) => !finger).length;
    if (wanted !== undefined && armJoints !== wanted) {
      this.#fail(`${armJoints} joints move between "${root}" and "${tip}", this arm has ${wanted}`);
    }
    const order = this.#parentsFirst(root);
    const links = order.map((name) => this.#link(name, order, coordinates));
    return new KinematicModel(this.#robot.name, links, tip, this.#warnings);
  }

  /** Joins links by joints, and returns the one link that hangs from nothing. */
  #connect(): string {
    for (const link of this.#robot.link) {
      if (this.#linkByName.has(link.name)) this.#fail(`there are two links "${link.name}"`);
      this.#linkByName.set(link.name, link);
    }
    const names = new Set<string>();
    for (const joint of this.#robot.joint) {
      if (names.has(joint.name)) this.#fail(`there are two joints "${joint.name}"`);
      names.add(joint.name);
      for (const end of [joint.parent.link, joint.child.link]) {
        if (!this.#linkByName.has(end))
          this.#fail(`joint "${joint.name}" joins "${end}", which is not a link`);
      }
      const other = this.#jointByChild.get(joint.child.link);
      if (other !== undefined) {
        this.#fail(`link "${joint.child.link}" hangs from both "${other.name}" and "${joint.name}"`);
      }
      this.#jointByChild.set(joint.child.link, joint);
    }
    const roots = this.#robot.link.filter(({ name }) => !this.#jointByChild.has(name));
    const root = roots[0];
    if (root === undefined) return this.#fail('its joints form a circle');
    if (roots.length > 1) {
      this.#fail(`"${root.name}" and "${roots[1]?.name}" are not joined: there must be one base`);
    }
    return root.name;
  }

  #parentsFirst(root: string): string[] {
    const order = [root];
    for (let index = 0; index < order.length; index++) {
      for (const joint of this.#robot.joint) {
        if (joint.parent.link === order[index]) order.push(joint.child.link);
      }
    }
    const lost = this.#robot.link.find(({ name }) => !order.includes(name));
    if (lost !== undefined) this.#fail(`link "${lost.name}" is part of a circle of joints`);
    return order;
  }

  /** Which coordinate moves which joint: the chain to the tip in order, then the fingers together. */
  #coordinates(tip: string): Map<string, { index: number; ratio: number; finger: boolean }> {
    const chain: RobotJoint[] = [];
    const seen = new Set<string>();
    for (let name = tip; !seen.has(name); ) {
      seen.add(name);
      const joint = this.#jointByChild.get(name);
      if (joint === undefined) break;
      if (moves(joint)) chain.unshift(joint);
      name = joint.parent.link;
    }
    const coordinates = new Map<string, { index: number; ratio: number; finger: boolean }>();
    chain.forEach((joint, index) => {
      coordinates.set(joint.name, { index, ratio: 1, finger: false });
    });
    for (const joint of this.#robot.joint) {
      if (coordinates.has(joint.name) || joint.type === 'fixed') continue;
      if (!moves(joint))
        this.#fail(`joint "${joint.name}" is of type "${joint.type}", which an arm does not have`);
      if (joint.type === 'prismatic') {
        const multiplier = this.#number(joint.mimic?.multiplier ?? '1', `mimic of joint "${joint.name}"`);
        coordinates.set(joint.name, { index: chain.length, ratio: multiplier / 2, finger: true });
      } else {
        this.#warnings.push(`joint "${joint.name}" is not between base and tip and is taken as fixed`);
      }
    }
    return coordinates;
  }

  #link(
    name: string,
    order: readonly string[],
    coordinates: ReadonlyMap<string, { index: number; ratio: number }>,
  ): Link {
    const source = this.#linkByName.get(name)!;
    const joint = this.#jointByChild.get(name);
    const where = `link "${name}"`;
    const massKg = this.#number(source.inertial?.mass.value ?? '0', `mass of ${where}`);
    if (massKg < 0) this.#fail(`the mass of ${where} is negative`);
    const coordinate = joint === undefined ? undefined : coordinates.get(joint.name);
    const origin = this.#origin(joint?.origin, `joint "${joint?.name}"`);
    return {
      name,
      parent: joint === undefined ? -1 : order.indexOf(joint.parent.link),
      joint: joint?.name ?? '',
      type: coordinate === undefined ? 'fixed' : joint?.type === 'prismatic' ? 'prismatic' : 'revolute',
      originRotation: origin.rotation,
      originPosition: origin.position,
      axis: this.#axis(joint),
      coordinate: coordinate?.index ?? -1,
      ratio: coordinate?.ratio ?? 0,
      massKg,
      centerOfMass: this.#origin(source.inertial?.origin, `inertial of ${where}`).position,
      capsules: source.collision.flatMap((collision) => this.#capsule(collision, where)),
    };
  }

  #axis(joint: RobotJoint | undefined): number[] {
    if (joint === undefined) return [1, 0, 0];
    const [x, y, z] = this.#triple(joint.axis?.xyz ?? '1 0 0', `axis of joint "${joint.name}"`);
    const length = Math.hypot(x, y, z);
    if (length < 1e-6) this.#fail(`the axis of joint "${joint.name}" is zero`);
    return [x / length, y / length, z / length];
  }

  /** A collision shape as the capsule around it. */
  #capsule(collision: RobotShape, where: string): Capsule[] {
    const { cylinder, sphere, box } = collision.geometry;
    const { rotation, position } = this.#origin(collision.origin, `collision of ${where}`);
    const stick = (axis: number, half: number, radiusM: number): Capsule[] => {
      const end = (sign: number): [number, number, number] => [
        position[0]! + sign * half * rotation[axis]!,
        position[1]! + sign * half * rotation[3 + axis]!,
        position[2]! + sign * half * rotation[6 + axis]!,
      ];
      return [{ a: end(-1), b: end(1), radiusM }];
    };
    if (sphere !== undefined) return stick(2, 0, this.#size(sphere.radius, where));
    if (cylinder !== undefined) {
      return stick(2, this.#size(cylinder.length, where) / 2, this.#size(cylinder.radius, where));
    }
    if (box !== undefined) {
      const halves = this.#triple(box.size ?? '', `box of ${where}`).map((side) => side / 2);
      const longest = halves.indexOf(Math.max(...halves));
      const others = halves.filter((_, index) => index !== longest);
      return stick(longest, halves[longest]!, Math.hypot(others[0]!, others[1]!));
    }
    this.#warnings.push(
      `a collision mesh of ${where} is ignored: only cylinders, spheres and boxes are checked`,
    );
    return [];
  }

  #origin(origin: Record<string, string> | undefined, where: string) {
    const position = this.#triple(origin?.xyz ?? '0 0 0', `origin of ${where}`);
    const rpy = this.#triple(origin?.rpy ?? '0 0 0', `origin of ${where}`);
    return { position, rotation: rotationFromRpy(...rpy) };
  }

  #triple(text: string, where: string): [number, number, number] {
    const numbers = text.trim().split(/\s+/).map(Number);
    if (numbers.length !== 3 || !numbers.every(Number.isFinite)) {
      this.#fail(`the ${where} is "${text}", not three numbers`);
    }
    return [numbers[0]!, numbers[1]!, numbers[2]!];
  }

  #size(text: string | undefined, where: string): number {
    const size = this.#number(text ?? '', `collision size of ${where}`);
    if (size <= 0) this.#fail(`the collision size of ${where} is not positive`);
    return size;
  }

  #number(text: string, where: string): number {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) this.#fail(`the ${where} is "${text}", not a number`);
    return value;
  }
}

const moves = ({ type }: RobotJoint): boolean =>
  type === 'revolute' || type === 'continuous' || type === 'prismatic';

/** Rotation matrix, row by row, of URDF's roll, pitch, yaw about the fixed axes x, y, z. */
function rotationFromRpy(roll: number, pitch: number, yaw: number): number[] {
  const [sr, cr] = [Math.sin(roll), Math.cos(roll)];
  const [sp, cp] = [Math.sin(pitch), Math.cos(pitch)];
  const [sy, cy] = [Math.sin(yaw), Math.cos(yaw)];
  return [
    cy * cp,
    cy * sp * sr - sy * cr,
    cy * sp * cr + sy * sr,
    sy * cp,
    sy * sp * sr + cy * cr,
    sy * sp * cr - cy * sr,
    -sp,
    cp * sr,
    cp * cr,
  ];
}

/** `link "link3": mass` from a path of keys, so that a person finds the place in the file. */
function describePath(root: unknown, path: readonly PropertyKey[]): string {
  const words: string[] = [];
  let value = root;
  let kind = '';
  for (const key of path) {
    value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
    if (typeof key === 'number') {
      const name = (value as { name?: unknown } | undefined)?.name;
      words[words.length - 1] = typeof name === 'string' ? `${kind} "${name}"` : `${kind} number ${key + 1}`;
    } else {
      kind = String(key);
      words.push(kind);
    }
  }
  return words.filter((word) => word !== 'robot').join(', ') || 'robot';
}
