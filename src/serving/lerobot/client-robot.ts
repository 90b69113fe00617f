import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { CameraNeed, PolicySpec } from '../../policies/policy.ts';
import type {
  LeRobotFeature,
  ObservationValue,
  RemotePolicyConfig,
  TimedActions,
  TimedObservation,
} from './messages.ts';
import { OBJECTS_KEY } from './observation-plan.ts';

/** A robot and the policy it wants, in the words of LeRobot's client. */
export interface ClientRobot {
  /** As LeRobot calls it: act, smolvla, pi0 ... */
  readonly policyType: string;
  /** Path on the server, or Hub id. */
  readonly pretrainedNameOrPath: string;
  /** Where a stock server runs the model. Default cpu. */
  readonly policyDevice?: string;
  readonly actionsPerChunk: number;
  /** Keys of the joints' numbers, in the order of the state. */
  readonly stateNames: readonly string[];
  /** Cameras and the sizes their pictures have. */
  readonly cameras: readonly Required<Pick<CameraNeed, 'name' | 'width' | 'height'>>[];
  /** The robot's camera name to the checkpoint's. Stock servers cannot do it. */
  readonly renameMap?: ReadonlyMap<string, string>;
  /** Actions a second. Default 30. */
  readonly fps?: number;
}

/** What a server is told at the handshake. */
export const configOf = (robot: ClientRobot): RemotePolicyConfig => ({
  policyType: robot.policyType,
  pretrainedNameOrPath: robot.pretrainedNameOrPath,
  features: features(robot),
  actionsPerChunk: robot.actionsPerChunk,
  device: robot.policyDevice ?? 'cpu',
  renameMap: robot.renameMap ?? new Map(),
});

/** The policy as far as the robot knows it before a server says more. */
export const specOf = (robot: ClientRobot, address: string): PolicySpec => ({
  name: `${robot.policyType} at ${address}`,
  cameras: robot.cameras,
  stateNames: robot.stateNames,
  actionNames: robot.stateNames,
  chunkRows: robot.actionsPerChunk,
  actionSteps: robot.actionsPerChunk,
  stepPeriodS: 1 / (robot.fps ?? 30),
  subtasks: false,
});

/**
 * An observation under the robot's own keys.
 * @throws MyelinError OBSERVATION_MISMATCH when a camera's picture is missing
 */
export function timedOf(
  { timestep, state, cameras, task }: Observation,
  robot: ClientRobot,
): TimedObservation {
  const values = new Map<string, ObservationValue>();
  for (const [i, name] of robot.stateNames.entries()) values.set(name, state[i] ?? 0);
  for (const { name } of robot.cameras) {
    const frame = cameras.get(name);
    if (frame === undefined) {
      throw new MyelinError('OBSERVATION_MISMATCH', {
        needed: `a picture from the camera "${name}"`,
        found: [...cameras.keys()].join(', ') || 'no picture',
        advice: 'Name cameras as the checkpoint does.',
      });
    }
    values.set(name, { type: 'U8', shape: [frame.height, frame.width, 3], bytes: frame.rgb });
  }
  values.set('task', task);
  return { timestampS: Date.now() / 1000, timestep, mustGo: true, values };
}

/** The same with the poses of objects, which only servers of ours look at. */
export function withObjects(timed: TimedObservation, { objects }: Observation): TimedObservation {
  if (objects === undefined) return timed;
  const poses = new Map([...objects].map(([name, pose]) => [name, f64(pose)]));
  return { ...timed, values: new Map([...timed.values, [OBJECTS_KEY, poses]]) };
}

/**
 * The chunk a server answered, checked before the arm sees it.
 * @throws MyelinError POLICY_OUTPUT_INVALID
 */
export function chunkOf(
  { actions, dof, rows }: TimedActions,
  { timestep, timestampNs }: Observation,
  spec: PolicySpec,
): ActionChunk {
  const wrong = (detail: string) => new MyelinError('POLICY_OUTPUT_INVALID', { detail });
  if (rows.some((row, i) => row.timestep !== timestep + i)) throw wrong('steps out of order');
  if (dof !== spec.actionNames.length)
    throw wrong(`${dof} numbers a row for ${spec.actionNames.length} joints`);
  const bad = actions.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw wrong(`${actions[bad]} as action number ${bad}`);
  return {
    actions: Float64Array.from(actions),
    rows: rows.length,
    dof,
    stepPeriodS: spec.stepPeriodS ?? 1 / 30,
    timestep,
    observedNs: timestampNs,
  };
}

function f64(values: Float64Array): { type: 'F64'; shape: number[]; bytes: Uint8Array } {
  return {
    type: 'F64',
    shape: [values.length],
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

/** The robot as LeRobot describes one. */
function features({ stateNames, cameras }: ClientRobot): ReadonlyMap<string, LeRobotFeature> {
  return new Map<string, LeRobotFeature>([
    ['observation.state', { dtype: 'float32', shape: [stateNames.length], names: stateNames }],
    ...cameras.map(({ name, width, height }): [string, LeRobotFeature] => [
      `observation.images.${name}`,
      { dtype: 'image', shape: [height, width, 3], names: ['height', 'width', 'channels'] },
    ]),
  ]);
}
