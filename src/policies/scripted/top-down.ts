import type { ArmDescription } from '../../arms/description.ts';
import { forward } from '../../core/kinematics/forward.ts';
import { InverseSolver } from '../../core/kinematics/inverse.ts';
import { type KinematicModel, POSE } from '../../core/kinematics/model.ts';

/** A whole look-up costs a millisecond or two; a target out of reach costs no more than this many descents. */
const EXTRA_SEEDS = 6;

/** Where the tool is and how it is turned about the vertical. */
export interface ToolPlace {
  readonly position: readonly [number, number, number];
  /** Direction of the tool's upper side seen from above, rad; 0 points along x. */
  readonly yawRad: number;
}

/** Poses of the arm with its tool pointing straight down. */
export class TopDown {
  readonly #kinematics: KinematicModel;
  readonly #description: ArmDescription;
  readonly #solver: InverseSolver;
  readonly #target = new Float64Array(POSE);
  readonly #pose = new Float64Array(POSE);
  readonly #seed: Float64Array;

  constructor(kinematics: KinematicModel, description: ArmDescription) {
    this.#kinematics = kinematics;
    this.#description = description;
    this.#solver = new InverseSolver(kinematics);
    this.#seed = new Float64Array(description.dof);
  }

  /** Arm joints, rad, and then `gripperM`; undefined when the arm cannot be there. */
  solve(place: ToolPlace, gripperM: number): Float64Array | undefined {
    const { home, limits, armDof } = this.#description;
    const [x, y] = place.position;
    // Shoulder turned to the target, the wrist makes up for the rest: one branch of solutions for the whole table.
    this.#seed.set(home);
    this.#seed[0] = Math.atan2(y, x);
    this.#seed[armDof - 1] = this.#seed[0]! - place.yawRad;
    downwards(place, this.#target);
    const { solved, q } = this.#solver.solve(this.#target, this.#seed, limits, { extraSeeds: EXTRA_SEEDS });
    if (!solved) return undefined;
    const pose = new Float64Array(this.#description.dof);
    pose.set(q);
    pose[armDof] = gripperM;
    return pose;
  }

  /** Where the tool is at a pose of the arm, whatever its pitch. */
  placeOf(q: ArrayLike<number>): ToolPlace {
    const [x, y, z, w, a, b, c] = forward(this.#kinematics, q, this.#pose) as unknown as number[];
    // The third column of the rotation: the tool's upper side.
    const yawRad = Math.atan2(2 * (b! * c! - w! * a!), 2 * (a! * c! + w! * b!));
    return { position: [x!, y!, z!], yawRad };
  }
}

/** Forward axis down, upper side towards the yaw: a quarter turn about y, then the yaw about z. */
function downwards({ position, yawRad }: ToolPlace, out: Float64Array): void {
  const c = Math.cos(yawRad / 2) * Math.SQRT1_2;
  const s = Math.sin(yawRad / 2) * Math.SQRT1_2;
  out.set([...position, c, -s, c, s]);
}

/** The same angle, from -half a turn to half a turn. */
export const wrapRad = (angle: number): number => Math.atan2(Math.sin(angle), Math.cos(angle));
