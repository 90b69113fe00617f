import type { Observation } from '../core/observation.ts';
import type { InferOptions, Policy } from './policy.ts';

/**
 * One action for each observation, LeRobot's `select_action`: a chunk is asked for when the queue is empty and its
 * first `spec.actionSteps` rows are handed out one by one. With temporal ensembling that is one row a chunk.
 */
export class ActionQueue {
  readonly #policy: Policy;
  readonly #rows: Float64Array[] = [];

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** Rows left before the next chunk is asked for. */
  get length(): number {
    return this.#rows.length;
  }

  /** The action for this observation, `dof` long. */
  async next(observation: Observation, options?: InferOptions): Promise<Float64Array> {
    if (this.#rows.length === 0) {
      const { actions, rows, dof } = await this.#policy.infer(observation, options);
      for (let row = 0; row < Math.min(rows, this.#policy.spec.actionSteps); row++) {
        this.#rows.push(actions.slice(row * dof, (row + 1) * dof));
      }
    } else {
      this.#policy.observe?.(observation);
    }
    return this.#rows.shift() as Float64Array;
  }

  /** Forgets the queue and the policy's own memory: a new episode begins. */
  reset(): void {
    this.#rows.length = 0;
    this.#policy.reset();
  }
}
