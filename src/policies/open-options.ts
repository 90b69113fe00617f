import type { ModelOptions } from './model.ts';

export interface OpenPolicyOptions extends ModelOptions {
  /** The policy's camera name to the observation's, where they differ: `{ front: 'external' }`. */
  readonly cameras?: Readonly<Record<string, string>>;
  /** Seconds between rows of a chunk, when the checkpoint does not say. Default 1/30. */
  readonly stepPeriodS?: number;
  /** Names of the joints, in order, for people. */
  readonly stateNames?: readonly string[];
  readonly actionNames?: readonly string[];
}
