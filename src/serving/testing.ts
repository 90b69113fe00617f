import type { ActionChunk } from '../core/chunk.ts';
import type { Observation } from '../core/observation.ts';
import type { InferOptions, Policy, PolicySpec, Subtask, SubtaskOptions } from '../policies/policy.ts';

/** A policy for tests that keeps what it was shown and answers with it: row r is the state plus r. */
export class EchoPolicy implements Policy {
  readonly spec: PolicySpec;
  readonly seen: { observation: Observation; options: InferOptions }[] = [];
  readonly subtasksSeen: { observation: Observation; options: SubtaskOptions }[] = [];
  generateSubtask?: (observation: Observation, options: SubtaskOptions) => Promise<Subtask>;
  /** What an inference waits for. */
  gate: Promise<void> = Promise.resolve();
  resets = 0;
  /** Observations in the order it got them, those it was asked for actions with and those it was only shown. */
  readonly timesteps: number[] = [];
  observe?: (observation: Observation) => void;

  constructor(spec: Partial<PolicySpec> = {}, { looksBack = false } = {}) {
    if (looksBack) this.observe = ({ timestep }) => this.timesteps.push(timestep);
    this.spec = {
      name: 'echo /secret/folder/model',
      cameras: [],
      stateNames: ['a', 'b'],
      actionNames: ['a', 'b'],
      chunkRows: 3,
      actionSteps: 2,
      stepPeriodS: 0.05,
      subtasks: false,
      ...spec,
    };
    if (this.spec.subtasks)
      this.generateSubtask = (observation, options) => this.#subtask(observation, options);
  }

  async infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    this.seen.push({ observation, options });
    this.timesteps.push(observation.timestep);
    await this.gate;
    const dof = observation.state.length;
    const rows = this.spec.chunkRows;
    const actions = Float64Array.from(
      { length: rows * dof },
      (_, i) => (observation.state[i % dof] ?? 0) + Math.floor(i / dof),
    );
    const { timestep, timestampNs: observedNs } = observation;
    return { actions, rows, dof, stepPeriodS: this.spec.stepPeriodS ?? 0.1, timestep, observedNs };
  }

  reset(): void {
    this.resets += 1;
  }

  async close(): Promise<void> {}

  async #subtask(observation: Observation, options: SubtaskOptions): Promise<Subtask> {
    this.subtasksSeen.push({ observation, options });
    return {
      text: `step ${this.subtasksSeen.length} of ${observation.task}`,
      tokens: [7, 8, this.subtasksSeen.length],
    };
  }
}

/**
 * Starts a server where one has just been: a connection of another test may have its port for a moment.
 * @throws what `start` throws, for a port that is in use after 15 s
 */
export async function startAgain<Server>(start: () => Promise<Server>): Promise<Server> {
  const deadlineMs = performance.now() + 15_000;
  for (;;) {
    try {
      return await start();
    } catch (thrown) {
      const { code } = thrown as { readonly code?: unknown };
      const taken = code === 'PORT_IN_USE' || code === 'EADDRINUSE';
      if (!taken || performance.now() > deadlineMs) throw thrown;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}
