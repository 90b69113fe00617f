import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { PolicySpec } from '../../policies/policy.ts';
import { matchCameras, type NamedPicture } from '../pictures/camera-match.ts';
import { NdArray, toNumbers } from './ndarray.ts';
import { cameraOf, GENERIC, ROBOTS, type RobotKeys } from './robot-keys.ts';
import { isPicture, readPicture } from './wire-picture.ts';
import { isMap, type WireMap, type WireValue } from './wire-value.ts';

export interface ReadObservationOptions {
  /** Which robot's keys to read. Default: whose keys the message has. */
  readonly robot?: RobotKeys | undefined;
  /** A client's camera name to the policy's. */
  readonly cameras?: Readonly<Record<string, string>> | undefined;
  /** The task when the message names none. Default: none. */
  readonly defaultPrompt?: string | undefined;
  readonly timestep: number;
  /** Monotonic time it came, ns. */
  readonly nowNs: number;
}

/** Keys a state may have beside those of the robots above. */
const STATE_KEYS = ['observation/state', 'observation.state', 'state'];
const PROMPT_KEYS = ['prompt', 'task'];

/**
 * An openpi request as an observation for a policy: pictures by the policy's camera names, the state's parts in one
 * vector, the prompt. Everything the policy needs must be there; nothing is filled with blanks.
 * @throws MyelinError OBSERVATION_MISMATCH, PICTURE_UNDECODABLE
 */
export function readObservation(
  message: WireMap,
  spec: PolicySpec,
  options: ReadObservationOptions,
): Observation {
  const robot = options.robot ?? robotOf(message);
  const pictures = readPictures(message, robot, options.nowNs, options.timestep);
  const state = readState(message, robot);
  return {
    timestep: options.timestep,
    timestampNs: options.nowNs,
    state,
    velocity: new Float64Array(state.length),
    cameras: matchCameras(pictures, spec.cameras, options),
    task: readPrompt(message) ?? options.defaultPrompt ?? '',
  };
}

/** The robot one of whose cameras a message has: their keys are its own. */
export function robotOf(message: WireMap): RobotKeys {
  const owner = ROBOTS.find(({ picturesIn, cameras }) => {
    const place = picturesIn === undefined ? message : message.get(picturesIn);
    return isMap(place) && cameras.some(({ key }) => place.has(key));
  });
  return owner ?? GENERIC;
}

function readPictures(
  message: WireMap,
  robot: RobotKeys,
  capturedNs: number,
  sequence: number,
): NamedPicture[] {
  const known = new Map(robot.cameras.map((camera) => [camera.key, camera]));
  const pictures: NamedPicture[] = [];
  const take = (key: string, value: WireValue, certain: boolean) => {
    if (!(value instanceof NdArray)) {
      if (certain) throw mismatch(`a picture array under "${key}"`, 'something else');
      return;
    }
    const camera = known.get(key);
    if (!certain && camera === undefined && !isPicture(value)) return;
    const picture = readPicture(key, value, robot.layout);
    pictures.push({
      name: cameraOf(key),
      slot: camera?.slot,
      spare: camera !== undefined && camera.slot === undefined,
      frame: { ...picture, capturedNs, sequence },
    });
  };
  for (const holder of ['images', 'observation.images', 'observation/images']) {
    const place = message.get(holder);
    if (isMap(place)) for (const [key, value] of place) take(key, value, true);
  }
  for (const [key, value] of message) if (value instanceof NdArray) take(key, value, false);
  return pictures;
}

/** Its length is the policy's to judge. */
function readState(message: WireMap, robot: RobotKeys): Float64Array {
  const own = robot.state.every(({ key }) => message.has(key));
  const keys = own
    ? robot.state.map(({ key }) => key)
    : STATE_KEYS.filter((key) => message.has(key)).slice(0, 1);
  return Float64Array.from(keys.flatMap((key) => numbers(key, message.get(key))));
}

function numbers(key: string, value: WireValue | undefined): number[] {
  const list =
    value instanceof NdArray
      ? [...(toNumbers(value) ?? [Number.NaN])]
      : Array.isArray(value)
        ? value
        : [value];
  for (const item of list)
    if (typeof item !== 'number' || !Number.isFinite(item))
      throw mismatch(
        `finite numbers under "${key}"`,
        `${typeof item === 'number' ? item : 'something else'}`,
      );
  return list as number[];
}

function readPrompt(message: WireMap): string | undefined {
  for (const key of PROMPT_KEYS) {
    const value = message.get(key);
    if (typeof value === 'string') return value;
    if (value !== undefined) throw mismatch(`text under "${key}"`, 'something else');
  }
  return undefined;
}

const mismatch = (needed: string, found: string) =>
  new MyelinError('OBSERVATION_MISMATCH', {
    needed,
    found,
    advice: 'Compare the keys you send with docs/protocols/openpi.md.',
  });
