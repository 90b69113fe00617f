import { MyelinError } from '../../core/errors.ts';
import type { CameraFrame, Observation } from '../../core/observation.ts';
import type { CameraNeed, PolicySpec } from '../../policies/policy.ts';
import type { RemotePolicyConfig, TimedObservation } from './messages.ts';
import { resizePicture } from './resize.ts';
import { isWireArray, numbersOf } from './wire-array.ts';

const STATE = 'observation.state';
const IMAGES = 'observation.images.';
const IMAGE_TYPES = ['image', 'video', 'VISUAL'];
const OBJECTS = 'myelin.objects';

/** A camera of the robot, and what the policy calls it. */
interface CameraPlan {
  /** Key in the robot's observation. */
  readonly key: string;
  readonly name: string;
  readonly need: CameraNeed | undefined;
}

/**
 * How a client's observations become what a policy sees. Made once, from the client's own description of its robot,
 * so that a camera or joint that cannot fit is said at the handshake and not at every step.
 */
export class ObservationPlan {
  /** Keys of the state's numbers, in order. */
  readonly stateKeys: readonly string[];
  readonly cameras: readonly CameraPlan[];
  /** Cameras the client has and the policy does not look at. */
  readonly unused: readonly string[];
  #sequence = 0;

  /** @throws MyelinError OBSERVATION_MISMATCH */
  constructor(config: RemotePolicyConfig, spec: PolicySpec) {
    this.stateKeys = stateKeys(config, spec);
    const cameras = cameraPlans(config, spec);
    this.cameras = cameras.filter(({ need }) => need !== undefined || spec.cameras.length === 0);
    this.unused = cameras.filter((camera) => !this.cameras.includes(camera)).map(({ key }) => key);
    const missing = spec.cameras.find(
      ({ name, optional }) => !optional && !cameras.some((camera) => camera.name === name),
    );
    if (missing !== undefined) {
      throw mismatch(
        `pictures from the camera "${missing.name}"`,
        `cameras: ${cameras.map(({ name }) => name).join(', ') || 'none'}`,
        `Name the robot's camera "${missing.name}", or map it with rename_map.`,
      );
    }
  }

  /** Whether an observation with those keys can be from this robot. */
  fits(values: ReadonlyMap<string, unknown>): boolean {
    return [...this.stateKeys, ...this.cameras.map(({ key }) => key)].every((key) => values.has(key));
  }

  /** The joint numbers, rounded to single precision as LeRobot has them. @throws MyelinError OBSERVATION_MISMATCH */
  state({ values }: TimedObservation): Float64Array {
    return Float64Array.from(this.stateKeys, (key) => {
      const value = values.get(key);
      const number = typeof value === 'number' ? value : isWireArray(value) ? scalar(value) : Number.NaN;
      if (!Number.isFinite(number)) {
        throw mismatch(
          `a finite number for "${key}"`,
          value === undefined ? 'none' : 'something else',
          'Check the robot.',
        );
      }
      return Math.fround(number);
    });
  }

  /** @throws MyelinError OBSERVATION_MISMATCH */
  observe(timed: TimedObservation, state: Float64Array, arrivedNs: number): Observation {
    const objects = timed.values.get(OBJECTS);
    return {
      timestep: timed.timestep,
      timestampNs: arrivedNs,
      state,
      velocity: new Float64Array(state.length),
      cameras: new Map(this.cameras.map((plan) => [plan.name, this.#frame(plan, timed, arrivedNs)])),
      task: taskOf(timed),
      ...(objects instanceof Map
        ? { objects: new Map([...objects].map(([name, pose]) => [name, numbersOf(pose)])) }
        : {}),
    };
  }

  #frame({ key, name, need }: CameraPlan, { values }: TimedObservation, capturedNs: number): CameraFrame {
    const value = values.get(key);
    const [height = 0, width = 0, channels = 0] = isWireArray(value) ? value.shape : [];
    if (!isWireArray(value) || value.type !== 'U8' || value.shape.length !== 3 || channels !== 3) {
      const found = isWireArray(value) ? `${value.type} [${value.shape.join(', ')}]` : 'no picture';
      throw mismatch(
        `an RGB picture [height, width, 3] of bytes from "${key}"`,
        found,
        'Send pictures as the camera gives them: uint8, colours last.',
      );
    }
    if (height === 0 || width === 0)
      throw mismatch(`a picture from "${key}"`, 'an empty one', 'Check the camera.');
    const picture = { width, height, rgb: value.bytes };
    const fitted =
      need?.width === undefined || need.height === undefined
        ? picture
        : resizePicture(picture, { width: need.width, height: need.height });
    this.#sequence += 1;
    return { name, ...fitted, capturedNs, sequence: this.#sequence };
  }
}

export const taskOf = ({ values }: TimedObservation): string => {
  const task = values.get('task');
  return typeof task === 'string' ? task.slice(0, 10_000) : '';
};

export { OBJECTS as OBJECTS_KEY };

const mismatch = (needed: string, found: string, advice: string) =>
  new MyelinError('OBSERVATION_MISMATCH', { needed, found, advice });

function scalar(array: Parameters<typeof numbersOf>[0]): number {
  return array.bytes.length > 8 ? Number.NaN : (numbersOf(array)[0] ?? Number.NaN);
}

function stateKeys({ features }: RemotePolicyConfig, { stateNames }: PolicySpec): readonly string[] {
  const state = features.get(STATE);
  if (state !== undefined && state.names === undefined)
    throw mismatch(`the names of "${STATE}"`, 'none', 'Send them in lerobot_features, in order.');
  const names = state?.names ?? [];
  if (stateNames.length > 0 && names.length !== stateNames.length) {
    throw mismatch(
      `${stateNames.length} state numbers`,
      `${names.length}: ${names.join(', ').slice(0, 300)}`,
      'The policy was trained on another robot.',
    );
  }
  return names;
}

function cameraPlans({ features, renameMap }: RemotePolicyConfig, { cameras }: PolicySpec): CameraPlan[] {
  return [...features]
    .filter(([feature, { dtype }]) => feature.startsWith(IMAGES) && IMAGE_TYPES.includes(dtype))
    .map(([feature]) => {
      const key = feature.slice(IMAGES.length);
      const renamed = renameMap.get(feature) ?? renameMap.get(key);
      const name = renamed === undefined ? key : renamed.replace(/^observation\.(images\.)?/, '');
      return { key, name, need: cameras.find((camera) => camera.name === name) };
    });
}
