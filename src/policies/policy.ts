import type { ActionChunk } from '../core/chunk.ts';
import type { Observation } from '../core/observation.ts';

export interface CameraNeed {
  readonly name: string;
  /** Size its pictures must have. Left out when any will do. */
  readonly width?: number;
  readonly height?: number;
  /** Whether an observation may lack it. */
  readonly optional?: boolean;
}

/** What a policy needs and gives. */
export interface PolicySpec {
  /** For people: `act /path/to/checkpoint`, `scripted pick-and-sort`. */
  readonly name: string;
  /** Cameras it looks at, in its own order. */
  readonly cameras: readonly CameraNeed[];
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
  /** There for policies that can continue a running chunk, with what their checkpoint says of it. */
  readonly realTime?: RealTimeSupport;
}

export type RealTimeMode = 'guided' | 'trained';
/** How the pull falls from full to none behind the rows that are executed anyway; LeRobot's names, in small letters. */
export type PullSchedule = 'linear' | 'exp' | 'ones' | 'zeros';

/** What a checkpoint says of real-time chunking; it holds where a request says nothing. */
export interface RealTimeSupport {
  readonly mode: RealTimeMode;
  /** Largest delay it was trained to continue from, steps; 0 when it was not, and `trained` is refused. */
  readonly trainedDelay: number;
  /** Rows. */
  readonly executionHorizon: number;
  readonly schedule: PullSchedule;
  readonly maxGuidance: number;
}

/**
 * Real-time chunking: the new chunk is made to continue the one that runs meanwhile (Black et al. 2025,
 * arXiv 2506.07339).
 */
export interface RealTimeChunk {
  /** Rows of the previous chunk that are not executed yet, in the robot's units; row 0 is due now. */
  readonly previous: Float64Array;
  readonly rows: number;
  /** Rows that will be executed before the new chunk arrives. */
  readonly delaySteps: number;
  /** Rows over which the pull towards the previous chunk falls to nothing. Default: the checkpoint's. `guided` only. */
  readonly executionHorizon?: number;
  /** Default: the checkpoint's. `guided` only. */
  readonly schedule?: PullSchedule;
  /** Hardest pull. Default: the checkpoint's. `guided` only. */
  readonly maxGuidance?: number;
  /** `guided` pulls any policy; `trained` fixes the first rows, for checkpoints trained that way. */
  readonly mode: RealTimeMode;
}

export interface InferOptions {
  readonly signal?: AbortSignal;
  /** Flow or diffusion steps, for policies that denoise. Default: the checkpoint's. */
  readonly flowSteps?: number;
  /** The noise to begin with, one number for each of the model's own action axes in each row of the chunk. */
  readonly noise?: Float32Array;
  /** Seed of the noise, a 32-bit whole number, when `noise` is not given. Default: another one at each call. */
  readonly seed?: number;
  /** Flow-matching policies continue the chunk; others ignore it. */
  readonly realTimeChunk?: RealTimeChunk;
  /** What to do now, within the task: as `generateSubtask` answered it, or words of one's own. */
  readonly subtask?: Pick<Subtask, 'text'> & Partial<Subtask>;
  /** Called with each stage's duration, ms, as it ends. */
  readonly onStage?: (stage: string, durationMs: number) => void;
}

export interface Subtask {
  readonly text: string;
  readonly tokens: readonly number[];
}

export interface SubtaskOptions {
  readonly maxDecodingSteps: number;
  /** 0 takes the likeliest token each time; 1 draws from the model's own distribution. */
  readonly temperature: number;
  /** Seed of the draws, a 32-bit whole number. Default: another one at each call. */
  readonly seed?: number;
  /** Token that ends the answer. Default: the tokenizer's end-of-sequence token. */
  readonly stopToken?: number;
  readonly signal?: AbortSignal;
  /** Told each token as it is decoded, with the text so far. */
  readonly onToken?: (token: number, text: string) => void;
  /** Called with each stage's duration, ms, as it ends. */
  readonly onStage?: (stage: string, durationMs: number) => void;
}

/**
 * Anything that turns an observation into an action chunk: a checkpoint on this machine, a server far away,
 * a script. Calls never block the event loop.
 */
export interface Policy {
  readonly spec: PolicySpec;
  /** Calls that may overlap, those of its forks among them. Default 1. */
  readonly parallelCalls?: number;
  infer(observation: Observation, options?: InferOptions): Promise<ActionChunk>;
  /**
   * Shows an observation that no action is asked for. Policies that look back were trained on every step: where it
   * is there, it wants each step's observation that `infer` does not get, in order.
   */
  observe?(observation: Observation): void;
  generateSubtask?(observation: Observation, options: SubtaskOptions): Promise<Subtask>;
  /** Forgets everything of the episode (queues, ensembles). */
  reset(): void;
  /**
   * Another policy over the same weights with a memory of its own, for another client. Calls of the two overlap
   * only as `parallelCalls` allows; closing it frees nothing, closing this one ends both. Absent where nothing is
   * remembered, or where memories cannot be kept apart.
   */
  fork?(): Policy;
  close(): Promise<void>;
}
