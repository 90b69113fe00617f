import { BIN_HALF_INSIDE_M, binCentres, CUBE_SIZE_M, type WorldArm } from '../../world/scene.ts';
import { wrapRad } from './top-down.ts';

/** A cube that was seen, in the arm's base frame. */
export interface SeenCube {
  readonly name: string;
  readonly colour: string;
  readonly position: readonly [number, number, number];
  /** Direction of one of its upright faces, rad; faces repeat each quarter turn. */
  readonly yawRad: number;
}

/** Lower than this it lies on the table or in a bin, m. */
const LYING_BELOW_M = 1.5 * CUBE_SIZE_M;

/** What lies on the table and where it belongs. */
export class TableView {
  readonly #bins: ReturnType<typeof binCentres>;

  constructor(arm: WorldArm) {
    this.#bins = binCentres(arm);
  }

  /** The cubes among the objects that have a bin; a cube's name begins with its colour. */
  cubes(objects: ReadonlyMap<string, ArrayLike<number>>): SeenCube[] {
    const seen: SeenCube[] = [];
    for (const [name, pose] of objects) {
      const [colour = '', kind] = name.split('_');
      if (kind !== 'cube' || !this.#bins.has(colour)) continue;
      const position = [pose[0]!, pose[1]!, pose[2]!] as const;
      seen.push({ name, colour, position, yawRad: uprightYaw(pose) });
    }
    return seen;
  }

  binOf(cube: SeenCube): readonly [number, number] {
    return this.#bins.get(cube.colour)!;
  }

  /** It lies inside the bin of its colour. */
  isSorted(cube: SeenCube): boolean {
    const [x, y] = this.binOf(cube);
    const [cubeX, cubeY, cubeZ] = cube.position;
    return (
      Math.abs(cubeX - x) < BIN_HALF_INSIDE_M &&
      Math.abs(cubeY - y) < BIN_HALF_INSIDE_M &&
      cubeZ < LYING_BELOW_M
    );
  }
}

/** Yaw of whichever axis of the cube lies flattest: a cube may rest on any of its faces. */
function uprightYaw(pose: ArrayLike<number>): number {
  const w = pose[3]!;
  const x = pose[4]!;
  const y = pose[5]!;
  const z = pose[6]!;
  const axes: readonly (readonly [number, number, number])[] = [
    [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
    [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
    [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
  ];
  const flattest = axes.reduce((best, axis) => (Math.abs(axis[2]) < Math.abs(best[2]) ? axis : best));
  return Math.atan2(flattest[1], flattest[0]);
}

/** Angle between two face directions, at most an eighth of a turn. */
export const faceAngle = (a: number, b: number): number => Math.abs(wrapRad(4 * (a - b))) / 4;
