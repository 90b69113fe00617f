import type { CameraFrame, Observation } from '../../core/observation.ts';
import type { CheckpointPolicy } from '../checkpoint-policy.ts';
import { pictureFeatures, STATE } from '../features.ts';
import { seededPicture, streamOf, uniformAt } from '../seeded-tensor.ts';

export interface SeededMoment {
  readonly seed: number;
  /** Timestep; other steps give other pictures and states. */
  readonly step: number;
  readonly task?: string;
  /** Features of cameras that are left out. */
  readonly absent?: readonly string[];
}

/** Numbers from -1 to 1 that a seed and a name stand for. */
export function seededUniform(seed: number, name: string, length: number): Float64Array {
  const stream = streamOf(seed, name);
  return Float64Array.from({ length }, (_, i) => uniformAt(stream, i));
}

/**
 * The observation that a seed stands for, for a policy's cameras and vectors; `tools/parity/seeded.py` makes the same
 * one for the programs that references are recorded from.
 */
export function seededObservation(policy: CheckpointPolicy, moment: SeededMoment): Observation {
  const { seed, step, task = '', absent = [] } = moment;
  const vector = (ending: string) => {
    const need = policy.model.vectors.find(({ feature }) => feature.endsWith(ending));
    return seededUniform(seed, `${need?.feature}@${step}`, need?.length ?? 0);
  };
  const environment = vector('environment_state');
  const poses = Array.from({ length: environment.length / 7 }, (_, i) => environment.slice(7 * i, 7 * i + 7));
  const frames = policy.spec.cameras.flatMap(({ name }, i): [string, CameraFrame][] => {
    const { width = 0, height = 0 } = policy.model.pictures[i] ?? {};
    const features = pictureFeatures(name);
    if (features.some((feature) => absent.includes(feature))) return [];
    const rgb = seededPicture(seed, `${features[0]}@${step}`, width, height);
    return [[name, { name, width, height, rgb, capturedNs: 0, sequence: step }]];
  });
  const state = seededUniform(seed, `${STATE}@${step}`, vector('.state').length);
  return {
    timestep: step,
    timestampNs: step,
    state,
    velocity: new Float64Array(0),
    cameras: new Map(frames),
    task,
    objects: new Map(poses.map((pose, i) => [`cube ${i}`, pose])),
  };
}
