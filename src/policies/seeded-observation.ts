import type { Observation } from '../core/observation.ts';
import type { CheckpointPolicy } from './checkpoint-policy.ts';
import { ENVIRONMENT_STATE } from './features.ts';
import { seededPicture, streamOf, uniformAt } from './seeded-tensor.ts';

/** Pictures of cameras whose size the policy leaves open. */
const ANY_WIDTH = 640;
const ANY_HEIGHT = 480;

/**
 * The observation of that number under a seed: for measurements that are to be repeated, where what is seen does not
 * matter.
 */
export function seededObservation(policy: CheckpointPolicy, seed: number, index = 0): Observation {
  const { spec, model } = policy;
  const numbers = (name: string, length: number) => {
    const stream = streamOf(seed, `${name}@${index}`);
    return Float64Array.from({ length }, (_, i) => uniformAt(stream, i));
  };
  const environment = model.vectors.find(({ feature }) => feature === ENVIRONMENT_STATE);
  return {
    timestep: index,
    timestampNs: 0,
    state: numbers('observation.state', spec.stateNames.length),
    velocity: new Float64Array(spec.stateNames.length),
    cameras: new Map(
      spec.cameras.map(({ name, width = ANY_WIDTH, height = ANY_HEIGHT }) => {
        const rgb = seededPicture(seed, `observation.images.${name}@${index}`, width, height);
        return [name, { name, width, height, rgb, capturedNs: 0, sequence: index + 1 }];
      }),
    ),
    task: 'pick up the cube',
    objects: new Map([['scene', numbers(ENVIRONMENT_STATE, environment?.length ?? 0)]]),
  };
}
