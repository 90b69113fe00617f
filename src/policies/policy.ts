import type { ActionChunk } from '../core/chunk.ts';
import type { Observation } from '../core/observation.ts';

/** What a policy needs and gives. */
export interface PolicySpec {
  /** For people: `act /path/to/checkpoint`, `scripted pick-and-sort`. */
  readonly name: string;
  /** Cameras it needs, in its own order; an observation must hold each, at this size when a size is given. */
  readonly cameras: readonly { readonly name: string; readonly width?: number; readonly height?: number }[];
  readonly stateNames: readonly string[];
  readonly actionNames: readonly string[];
  /** Rows a chunk holds. */
  readonly chunkRows: number;
  /** Rows meant to be executed before the next chunk. */
  readonly actionSteps: number;
  /** Seconds between rows, when the checkpoint says so. */
  readonly stepPeriodS?: number;
  /** Whether it can be asked for subtasks in words. */
  readonly subtasks: boolean;
}

export interface InferOptions {
  readonly signal?: AbortSignal;
  /** Flow or diffusion steps, for policies that denoise. */
  readonly flowSteps?: number;
  /** Called with each stage's duration, ms, as it ends. */
  readonly onStage?: (stage: string, durationMs: number) => void;
}

export interface Subtask {
  readonly text: string;
  readonly tokens: readonly number[];
}

export interface SubtaskOptions {
  readonly maxDecodingSteps: number;
  readonly temperature: number;
  readonly signal?: AbortSignal;
}

/**
 * Anything that turns an observation into an action chunk: a checkpoint on this machine, a server far away,
 * a script. Calls never block the event loop.
 */
export interface Policy {
  readonly spec: PolicySpec;
  infer(observation: Observation, options?: InferOptions): Promise<ActionChunk>;
  generateSubtask?(observation: Observation, options: SubtaskOptions): Promise<Subtask>;
  /** Forgets everything of the episode (queues, ensembles). */
  reset(): void;
  close(): Promise<void>;
}
