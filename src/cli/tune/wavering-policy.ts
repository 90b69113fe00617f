import type { Policy } from '../../policies/policy.ts';
import type { Random } from '../../world/random.ts';

/** Share of the error that a chunk's first row has already, and the time after which it has all of it, s. */
const AT_ONCE = 0.25;
const GROWS_FOR_S = 1;

/**
 * Makes a policy as undecided as learned ones are: each chunk differs from the one before by a random error of its
 * own, small where it begins and growing with how far it looks ahead. Without it, chunks of a planner agree to the
 * last bit and how they are aggregated would not matter.
 * @param errorRad standard deviation of a joint's error a second ahead; the gripper has none
 */
export function waveringPolicy(policy: Policy, errorRad: number, armDof: number, random: Random): Policy {
  return {
    spec: policy.spec,
    infer: async (observation, options) => {
      const chunk = await policy.infer(observation, options);
      const actions = chunk.actions.slice();
      for (let joint = 0; joint < armDof; joint++) {
        const most = errorRad * normal(random);
        for (let row = 0; row < chunk.rows; row++) {
          const ahead = Math.min(1, (row * chunk.stepPeriodS) / GROWS_FOR_S);
          actions[row * chunk.dof + joint]! += most * (AT_ONCE + (1 - AT_ONCE) * ahead);
        }
      }
      return { ...chunk, actions };
    },
    reset: () => policy.reset(),
    close: () => policy.close(),
  };
}

/** Box and Muller. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
