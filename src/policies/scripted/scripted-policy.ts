import type { ArmDescription } from '../../arms/description.ts';
import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import type { KinematicModel } from '../../core/kinematics/model.ts';
import type { Observation } from '../../core/observation.ts';
import type { Policy, PolicySpec } from '../policy.ts';
import {
  APPROACH_OPENING_M,
  GRIP_M,
  type Grasp,
  graspsOf,
  isHeld,
  TRAVEL_Z_M,
  withGripper,
} from './grasp.ts';
import { StepTrack } from './step-track.ts';
import { faceAngle, type SeenCube, TableView } from './table-view.ts';
import { TopDown } from './top-down.ts';

export interface ScriptedPolicyOptions {
  readonly kinematics: KinematicModel;
  readonly description: ArmDescription;
  /** Seconds between rows. Default 1/30. */
  readonly stepPeriodS?: number;
  /** Rows of a chunk, 20 to 128. Default 45. */
  readonly chunkRows?: number;
}

const CHUNK_ROWS = 45;
const ACTION_STEPS = 20;
/** Shares of the arm's limits: through the air, and near things. */
const TRAVEL = 0.45;
const CAREFUL = 0.25;
const GRIPPER = 0.35;
/** How long the gripper squeezes before the lift, and the cube may fall before the arm leaves. */
const SQUEEZE_S = 0.35;
const FALL_S = 0.15;
/** Height of the tool at which a cube is let go: above the bin's walls, the cube just between them. */
const RELEASE_Z_M = 0.05;
/** A cube that moved further than this is approached anew. */
const MOVED_M = 0.006;
const TURNED_RAD = 0.12;
/** An arm further than this from its plan is planned for anew from where it is, rad. */
const ASTRAY_RAD = 0.2;

type Phase = 'start' | 'approach' | 'close' | 'carry' | 'release' | 'home';

/** Arm poses over a bin and at its release height, gripper closed. */
interface Placing {
  readonly over: Float64Array;
  readonly into: Float64Array;
}

/** What a row is for. */
interface Purpose {
  readonly phase: Phase;
  /** The cube it is about, as it was seen when the row was made. */
  readonly cube?: SeenCube;
}

/**
 * Picks cubes up and sorts them into the bins of their colours. It sees object poses, not pictures: a policy to try
 * everything else with, before there is a checkpoint.
 *
 * Plans ahead as if all went well, and looks at every observation whether it does: a cube that moved is approached
 * anew, one that was lost is fetched again, one that somebody else sorted is left alone.
 */
export function createScriptedPolicy(options: ScriptedPolicyOptions): Policy {
  return new ScriptedPolicy(options);
}

class ScriptedPolicy implements Policy {
  readonly spec: PolicySpec;
  readonly #options: ScriptedPolicyOptions;
  readonly #description: ArmDescription;
  readonly #periodS: number;
  readonly #chunkRows: number;
  readonly #topDown: TopDown;
  readonly #table: TableView;
  readonly #track: StepTrack<Purpose>;
  /** How often each cube was tried in vain. */
  readonly #failures = new Map<string, number>();
  #step = Number.NEGATIVE_INFINITY;

  constructor(options: ScriptedPolicyOptions) {
    const { kinematics, description, stepPeriodS = 1 / 30, chunkRows = CHUNK_ROWS } = options;
    this.#options = options;
    this.#description = description;
    this.#periodS = stepPeriodS;
    this.#chunkRows = chunkRows;
    this.#topDown = new TopDown(kinematics, description);
    this.#table = new TableView(description.model);
    this.#track = new StepTrack(description.limits, stepPeriodS);
    this.spec = {
      name: 'scripted pick-and-sort',
      cameras: [],
      stateNames: description.jointNames,
      actionNames: description.jointNames,
      chunkRows,
      actionSteps: ACTION_STEPS,
      stepPeriodS,
      subtasks: false,
    };
  }

  async infer(observation: Observation): Promise<ActionChunk> {
    const { timestep: step, state, objects } = observation;
    const { dof } = this.#description;
    if (objects === undefined) {
      throw new MyelinError('OBSERVATION_MISMATCH', {
        needed: 'the poses of objects',
        found: 'none',
        advice: 'Only a simulated world tells them: run the arm with --interface world:NAME or --dry-run.',
      });
    }
    const cubes = this.#table.cubes(objects);
    if (step < this.#step) this.reset();
    this.#step = step;
    this.#follow(step, state, cubes);
    this.#extend(step, state, cubes);
    this.#track.forget(step);
    const actions = new Float64Array(this.#chunkRows * dof);
    for (let k = 0; k < this.#chunkRows; k++) actions.set(this.#track.row(step + k)!, k * dof);
    return {
      actions,
      rows: this.#chunkRows,
      dof,
      stepPeriodS: this.#periodS,
      timestep: step,
      observedNs: observation.timestampNs,
    };
  }

  reset(): void {
    this.#track.clear();
    this.#failures.clear();
    this.#step = Number.NEGATIVE_INFINITY;
  }

  fork(): Policy {
    return new ScriptedPolicy(this.#options);
  }

  async close(): Promise<void> {}

  /** Drops what the present state contradicts of the plan. */
  #follow(step: number, state: Float64Array, cubes: readonly SeenCube[]): void {
    const row = this.#track.row(step);
    if (row === undefined || this.#isAstray(row, state)) {
      this.#startFrom(step, state, cubes);
      return;
    }
    const purpose = this.#track.label(step)!;
    if (this.#isVoid(purpose, state, cubes)) {
      if (purpose.cube !== undefined && purpose.phase === 'carry') this.#blame(purpose.cube);
      this.#track.cut(step);
      return;
    }
    // What comes after the cube at hand was planned on an old view of the table.
    if (purpose.phase === 'home' && cubes.some((cube) => this.#isToDo(cube))) this.#track.cut(step);
    else this.#dropOldPlans(step, purpose, cubes);
  }

  #dropOldPlans(step: number, purpose: Purpose, cubes: readonly SeenCube[]): void {
    for (let at = step; this.#track.label(at) !== undefined; at++) {
      const later = this.#track.label(at)!;
      if (later.phase !== 'approach' || later.cube?.name === purpose.cube?.name) continue;
      if (hasMoved(later.cube!, cubes) || this.#isDone(later.cube!, cubes)) this.#track.cut(at - 1);
      return;
    }
  }

  #isAstray(row: Float64Array, state: Float64Array): boolean {
    for (let i = 0; i < this.#description.armDof; i++) {
      if (Math.abs(row[i]! - state[i]!) > ASTRAY_RAD) return true;
    }
    return false;
  }

  /** From rest where the arm is; a gripper that holds a cube keeps holding it. */
  #startFrom(step: number, state: Float64Array, cubes: readonly SeenCube[]): void {
    const held = this.#heldCube(state, cubes);
    const pose = held === undefined ? state.slice() : withGripper(state, GRIP_M);
    const { positionMin, positionMax } = this.#description.limits;
    for (let i = 0; i < pose.length; i++) {
      pose[i] = Math.min(Math.max(pose[i]!, positionMin[i]!), positionMax[i]!);
    }
    this.#track.restart(step, pose, { phase: 'start' });
  }

  #heldCube(state: Float64Array, cubes: readonly SeenCube[]): SeenCube | undefined {
    const place = this.#topDown.placeOf(state);
    const openingM = state[this.#description.armDof]!;
    return cubes.find((cube) => isHeld(cube, place, openingM));
  }

  #isVoid({ phase, cube }: Purpose, state: Float64Array, cubes: readonly SeenCube[]): boolean {
    if (cube === undefined) return false;
    if (phase === 'approach') return hasMoved(cube, cubes) || this.#isDone(cube, cubes);
    return phase === 'carry' && this.#heldCube(state, cubes)?.name !== cube.name;
  }

  #isDone({ name }: SeenCube, cubes: readonly SeenCube[]): boolean {
    const now = cubes.find((cube) => cube.name === name);
    return now === undefined || this.#table.isSorted(now);
  }

  #blame({ name }: SeenCube): void {
    this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
  }

  #isToDo(cube: SeenCube): boolean {
    const isOutOfReach = this.#placing(cube) === undefined || graspsOf(cube, [], this.#topDown).length === 0;
    return !this.#table.isSorted(cube) && !isOutOfReach;
  }

  /** Poses over and in the bin of a cube's colour; undefined when the arm cannot be there. */
  #placing(cube: SeenCube): Placing | undefined {
    const [x, y] = this.#table.binOf(cube);
    const yawRad = Math.atan2(y, x);
    const over = this.#topDown.solve({ position: [x, y, TRAVEL_Z_M], yawRad }, GRIP_M);
    const into = over && this.#topDown.solve({ position: [x, y, RELEASE_Z_M], yawRad }, GRIP_M);
    return into && { over, into };
  }

  /** Plans on until there are enough rows. */
  #extend(step: number, state: Float64Array, cubes: readonly SeenCube[]): void {
    const track = this.#track;
    const planned = new Set(track.labelsFrom(step).map(({ cube }) => cube?.name));
    while (track.remaining(step) < this.#chunkRows) {
      const held = track.remaining(step) <= 1 ? this.#heldCube(state, cubes) : undefined;
      const placing = held && !this.#table.isSorted(held) ? this.#placing(held) : undefined;
      if (held !== undefined && placing !== undefined) {
        planned.add(held.name);
        this.#planPlacing(held, placing);
        continue;
      }
      const next = this.#nextCube(cubes, planned);
      if (next === undefined) {
        this.#planHome();
      } else {
        planned.add(next.cube.name);
        this.#planPicking(next.cube, next.grasp);
        this.#planPlacing(next.cube, next.placing);
      }
    }
  }

  /** The unsorted cube within reach that failed least, then the one nearest to where the plan ends. */
  #nextCube(
    cubes: readonly SeenCube[],
    planned: ReadonlySet<string | undefined>,
  ): { cube: SeenCube; grasp: Grasp; placing: Placing } | undefined {
    const [x, y] = this.#topDown.placeOf(this.#track.end).position;
    const cost = ({ name, position }: SeenCube) =>
      10 * (this.#failures.get(name) ?? 0) + Math.hypot(position[0] - x, position[1] - y);
    const candidates = cubes
      .filter((cube) => !planned.has(cube.name) && !this.#table.isSorted(cube))
      .sort((a, b) => cost(a) - cost(b));
    for (const cube of candidates) {
      const others = cubes.filter((other) => other !== cube);
      const grasps = graspsOf(cube, others, this.#topDown);
      // What failed one way may go another.
      const grasp = grasps[(this.#failures.get(cube.name) ?? 0) % Math.max(1, grasps.length)];
      const placing = grasp && this.#placing(cube);
      if (grasp !== undefined && placing !== undefined) return { cube, grasp, placing };
    }
    return undefined;
  }

  #planPicking(cube: SeenCube, { above, at, lift }: Grasp): void {
    const track = this.#track;
    const approach: Purpose = { phase: 'approach', cube };
    this.#rise(APPROACH_OPENING_M, approach);
    track.moveTo(above, TRAVEL, approach);
    track.moveTo(at, CAREFUL, approach);
    const closed = withGripper(at, GRIP_M);
    const close: Purpose = { phase: 'close', cube };
    track.moveTo(closed, GRIPPER, close);
    track.hold(SQUEEZE_S, close);
    track.moveTo(lift, CAREFUL, { phase: 'carry', cube });
  }

  /** Carries what is in the gripper to its bin and lets it go. */
  #planPlacing(cube: SeenCube, { over, into }: Placing): void {
    const track = this.#track;
    const carry: Purpose = { phase: 'carry', cube };
    this.#rise(this.#gripperAtEnd, carry);
    track.moveTo(over, TRAVEL, carry);
    track.moveTo(into, CAREFUL, carry);
    const release: Purpose = { phase: 'release', cube };
    track.moveTo(withGripper(into, APPROACH_OPENING_M), GRIPPER, release);
    track.hold(FALL_S, release);
    track.moveTo(withGripper(over, APPROACH_OPENING_M), TRAVEL, release);
  }

  /** Straight up to where the arm may travel, if it is lower. */
  #rise(gripperM: number, purpose: Purpose): void {
    const place = this.#topDown.placeOf(this.#track.end);
    const [x, y, z] = place.position;
    if (z >= TRAVEL_Z_M - 0.02) return;
    const pose = this.#topDown.solve({ position: [x, y, TRAVEL_Z_M], yawRad: place.yawRad }, gripperM);
    if (pose !== undefined) this.#track.moveTo(pose, CAREFUL, purpose);
  }

  get #gripperAtEnd(): number {
    return this.#track.end[this.#description.armDof]!;
  }

  #planHome(): void {
    const purpose: Purpose = { phase: 'home' };
    const { home } = this.#description;
    this.#rise(home[this.#description.armDof]!, purpose);
    if (home.some((q, i) => Math.abs(q - this.#track.end[i]!) > 1e-6)) {
      this.#track.moveTo(home, TRAVEL, purpose);
    }
    this.#track.hold(this.#chunkRows * this.#periodS, purpose);
  }
}

/** It lies elsewhere than it was seen, or is gone. */
function hasMoved(seen: SeenCube, cubes: readonly SeenCube[]): boolean {
  const now = cubes.find(({ name }) => name === seen.name);
  if (now === undefined) return true;
  const [x, y, z] = seen.position;
  const distance = Math.hypot(now.position[0] - x, now.position[1] - y, now.position[2] - z);
  return distance > MOVED_M || faceAngle(now.yawRad, seen.yawRad) > TURNED_RAD;
}
