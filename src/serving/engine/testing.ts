import type { ActionChunk } from '../../core/chunk.ts';
import type { Observation } from '../../core/observation.ts';
import type { InferOptions, Policy } from '../../policies/policy.ts';

/** An observation without pictures, for tests. */
export const observationOf = (timestep: number, state: readonly number[] = [0, 0]): Observation => ({
  timestep,
  timestampNs: timestep * 1e6,
  state: Float64Array.from(state),
  velocity: new Float64Array(state.length),
  cameras: new Map(),
  task: '',
});

/** A policy for tests whose answers come when the test says so. */
export class HandPolicy implements Policy {
  readonly spec;
  /** Observations that wait for an answer, oldest first. */
  readonly asked: {
    readonly observation: Observation;
    readonly options: InferOptions;
    readonly answer: (value?: number) => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  resets = 0;
  closed = false;
  running = 0;
  /** Most calls that ever overlapped. */
  overlap = 0;

  constructor(name = 'by hand') {
    this.spec = {
      name,
      cameras: [],
      stateNames: ['a', 'b'],
      actionNames: ['a', 'b'],
      chunkRows: 2,
      actionSteps: 2,
      stepPeriodS: 0.1,
      subtasks: false,
    };
  }

  infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    this.running += 1;
    this.overlap = Math.max(this.overlap, this.running);
    return new Promise<ActionChunk>((resolve, reject) => {
      const answer = (value = 0) =>
        resolve({
          actions: new Float64Array(4).fill(value),
          rows: 2,
          dof: 2,
          stepPeriodS: 0.1,
          timestep: observation.timestep,
          observedNs: observation.timestampNs,
        });
      this.asked.push({ observation, options, answer, fail: reject });
    }).finally(() => {
      this.running -= 1;
    });
  }

  reset(): void {
    this.resets += 1;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Lets everything that can happen without time passing happen. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
