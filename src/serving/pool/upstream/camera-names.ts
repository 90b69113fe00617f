import type { Observation } from '../../../core/observation.ts';
import type { Policy, PolicySpec } from '../../../policies/policy.ts';

/**
 * The same policy with cameras by other names.
 * @param names the policy's name of a camera to the robot's: `{ base_0_rgb: 'front' }`; others keep theirs
 */
export function withCameraNames(policy: Policy, names: Readonly<Record<string, string>>): Policy {
  if (Object.keys(names).length === 0) return policy;
  const theirs = (name: string): string => (Object.hasOwn(names, name) ? (names[name] ?? name) : name);
  const spec: PolicySpec = {
    ...policy.spec,
    cameras: policy.spec.cameras.map((need) => ({ ...need, name: theirs(need.name) })),
  };
  const rename = (observation: Observation): Observation => {
    const cameras = policy.spec.cameras.flatMap(({ name }) => {
      const frame = observation.cameras.get(theirs(name));
      return frame === undefined ? [] : [[name, { ...frame, name }] as const];
    });
    return { ...observation, cameras: new Map(cameras) };
  };
  const { generateSubtask, observe, parallelCalls } = policy;
  return {
    spec,
    ...(parallelCalls === undefined ? {} : { parallelCalls }),
    infer: (observation, options) => policy.infer(rename(observation), options),
    ...(generateSubtask === undefined
      ? {}
      : {
          generateSubtask: (observation, options) =>
            generateSubtask.call(policy, rename(observation), options),
        }),
    ...(observe === undefined
      ? {}
      : { observe: (observation: Observation) => observe.call(policy, rename(observation)) }),
    reset: () => policy.reset(),
    close: () => policy.close(),
  };
}
