import type { BatchingOptions } from './batching.ts';
import type { ModelOptions } from './model.ts';
import type { SubtaskTemplate } from './subtask/template.ts';

export interface OpenPolicyOptions extends ModelOptions {
  /** The policy's camera name to the observation's, where they differ: `{ front: 'external' }`. */
  readonly cameras?: Readonly<Record<string, string>>;
  /** Seconds between rows of a chunk, when the checkpoint does not say. Default 1/30. */
  readonly stepPeriodS?: number;
  /** How to ask for subtasks, for policies that answer them. Default: `task-subtask`. */
  readonly subtaskTemplate?: SubtaskTemplate;
  /** Answer observations of several clients in one run, where the model can. Default: one after the other. */
  readonly batching?: BatchingOptions;
  /** Names of the joints, in order, for people. */
  readonly stateNames?: readonly string[];
  readonly actionNames?: readonly string[];
}
