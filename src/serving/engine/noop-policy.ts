import type { ActionChunk } from '../../core/chunk.ts';
import type { Observation } from '../../core/observation.ts';
import type { Policy, PolicySpec } from '../../policies/policy.ts';

export interface NoopPolicyOptions {
  /** Rows of a chunk. Default 50. */
  readonly chunkRows?: number;
  /** Numbers in a row for observations without a state. Default 7. */
  readonly dof?: number;
  /** Seconds between rows. Default 1/30. */
  readonly stepPeriodS?: number;
}

/**
 * Does nothing, at once: every row is the state it was shown, or zeros where there is none, so an arm stays where it
 * is. It takes a state of any length and any cameras. For measuring a network and trying clients without a model.
 */
export function createNoopPolicy(options: NoopPolicyOptions = {}): Policy {
  const { chunkRows = 50, dof = 7, stepPeriodS = 1 / 30 } = options;
  const spec: PolicySpec = {
    name: 'noop',
    cameras: [],
    stateNames: [],
    actionNames: Array.from({ length: dof }, (_, i) => `action_${i}`),
    chunkRows,
    actionSteps: chunkRows,
    stepPeriodS,
    subtasks: false,
  };
  return {
    spec,
    async infer({ state, timestep, timestampNs }: Observation): Promise<ActionChunk> {
      const width = state.length > 0 ? state.length : dof;
      const actions = new Float64Array(chunkRows * width);
      for (let row = 0; row < chunkRows && state.length > 0; row++) actions.set(state, row * width);
      return { actions, rows: chunkRows, dof: width, stepPeriodS, timestep, observedNs: timestampNs };
    },
    reset: () => undefined,
    close: async () => undefined,
  };
}
