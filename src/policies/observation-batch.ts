import { MyelinError } from '../core/errors.ts';
import type { CameraFrame, Observation } from '../core/observation.ts';
import { ENVIRONMENT_STATE } from './features.ts';
import type { PictureNeed, VectorNeed } from './model.ts';
import { type Batch, makeBatch, type Picture, unitLevels } from './processors/batch.ts';

/** A picture or vector the policy needs, and what the observation calls it. */
export interface CameraBinding extends PictureNeed {
  readonly camera: string;
  /** Feature name before the processors. */
  readonly source: string;
}

export interface VectorBinding extends VectorNeed {
  readonly source: string;
}

/**
 * Gathers what a policy needs from an observation. Nothing is resized, padded or guessed: a policy trained on other
 * pictures would act on things it never saw. Models that were trained with absent cameras, or resize themselves,
 * say so in their needs; one camera must be there even so.
 * @throws MyelinError OBSERVATION_MISMATCH
 */
export function observationBatch(
  observation: Observation,
  cameras: readonly CameraBinding[],
  vectors: readonly VectorBinding[],
): Batch {
  const present = cameras.filter(({ camera, optional }) => !optional || observation.cameras.has(camera));
  const [first] = cameras;
  if (present.length === 0 && first !== undefined) takePicture(observation, first);
  return makeBatch({
    timestep: observation.timestep,
    pictures: new Map(present.map((binding) => [binding.source, takePicture(observation, binding)])),
    vectors: new Map(vectors.map((binding) => [binding.source, takeVector(observation, binding)])),
    task: observation.task,
  });
}

const mismatch = (needed: string, found: string, advice: string) =>
  new MyelinError('OBSERVATION_MISMATCH', { needed, found, advice });

function takePicture(observation: Observation, { camera, width, height, anySize }: CameraBinding): Picture {
  const frame = observation.cameras.get(camera);
  const needed = anySize
    ? `a picture from the camera "${camera}"`
    : `a picture of ${width}x${height} from the camera "${camera}"`;
  if (frame === undefined) {
    const names = [...observation.cameras.keys()].join(', ') || 'none';
    throw mismatch(
      needed,
      `pictures from: ${names}`,
      'Name cameras as in training, for example --camera-id wrist=0.',
    );
  }
  if (anySize) checkSize(frame, frame.width, frame.height, needed);
  else checkSize(frame, width, height, needed);
  return { frame, levels: unitLevels() };
}

function checkSize(frame: CameraFrame, width: number, height: number, needed: string): void {
  const bytes = 3 * width * height;
  if (frame.width === width && frame.height === height && frame.rgb.length === bytes) return;
  const found = `one of ${frame.width}x${frame.height} (${frame.rgb.length} bytes)`;
  throw mismatch(
    needed,
    found,
    `The policy does not resize pictures: start the camera at ${width}x${height}.`,
  );
}

function takeVector(observation: Observation, { feature, length }: VectorBinding): Float64Array {
  const [values, what] =
    feature === ENVIRONMENT_STATE
      ? [environmentState(observation), 'environment numbers']
      : [observation.state.slice(), 'state numbers'];
  if (values.length !== length) {
    throw mismatch(
      `${length} ${what}`,
      `${values.length}`,
      'The policy was trained on another robot or scene.',
    );
  }
  if (!values.every(Number.isFinite))
    throw mismatch(`${length} finite ${what}`, 'NaN or infinity', 'Check the sensors.');
  return values;
}

/** The objects' poses, [x, y, z, qw, qx, qy, qz] each, in the order of their names. */
function environmentState({ objects }: Observation): Float64Array {
  const names = [...(objects?.keys() ?? [])].sort();
  return Float64Array.from(names.flatMap((name) => [...(objects?.get(name) ?? [])]));
}
