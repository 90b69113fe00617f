import type { InferOptions, RealTimeSupport } from './policy.ts';
import type { Batch } from './processors/batch.ts';
import type { QuantizedName } from './quantize/format.ts';

export interface PictureNeed {
  /** Feature name, after the processors. */
  readonly feature: string;
  /** Size it was trained on, pixels. */
  readonly width: number;
  readonly height: number;
  /** Whether the model resizes pictures itself, so that any size will do. Default: only the size above will. */
  readonly anySize?: boolean;
  /** Whether the model can do without it. Default: it cannot. */
  readonly optional?: boolean;
}

export interface VectorNeed {
  readonly feature: string;
  readonly length: number;
}

/** How a language model goes on with words. */
export interface GenerateOptions {
  readonly maxSteps: number;
  readonly stopTokens: readonly number[];
  /** Picks a token by its logits, one for each of the vocabulary. */
  readonly choose: (logits: Float32Array) => number;
  /** Told each token as it is decoded. */
  readonly onToken?: ((token: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStage?: ((stage: string, durationMs: number) => void) | undefined;
}

/** One of several observations that are answered in one run. */
export interface PredictRequest {
  readonly batch: Batch;
  readonly options: InferOptions;
}

/** A network behind processors: normalised observations in, normalised actions out. */
export interface Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  /** Milliseconds each stage took to load. */
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  /** Denoising steps when the caller names none; undefined for a model that does not denoise. */
  readonly flowSteps?: number | undefined;
  /** There for models that can continue a running chunk. */
  readonly realTime?: RealTimeSupport | undefined;
  /** Calls of forks that may overlap, and are then answered in one run. Default: they must not overlap. */
  readonly maxBatch?: number;
  /**
   * `batch` holds the previous chunk, normalised, as `action` when `options.realTimeChunk` is given.
   * `chunkRows * actionLength` numbers, row by row. `options.signal` is heeded between stages, `options.onStage` is
   * told each stage's time. One call at a time.
   */
  predict(batch: Batch, options: InferOptions): Promise<ArrayLike<number>>;
  /**
   * Goes on with `batch.tokens`, for models with a language head: the tokens decoded, without the stop token. One
   * call at a time, `predict` counted in.
   */
  generate?(batch: Batch, options: GenerateOptions): Promise<readonly number[]>;
  /**
   * Several observations in one run, for models that can: the answers in their order, each as `predict` would give it
   * within rounding. All of `requests` ask for the same number of denoising steps, and none for real-time chunking.
   */
  predictMany?(
    requests: readonly PredictRequest[],
    shared: Pick<InferOptions, 'signal' | 'onStage'>,
  ): Promise<readonly ArrayLike<number>[]>;
  /** Takes note of an observation that no action is asked for, for models that look back. */
  observe?(batch: Batch): void;
  /** Forgets earlier observations, for models that look back. */
  reset?(): void;
  /** The same network with a memory of its own, for models that look back. Calls of the two must not overlap. */
  fork?(): Model;
  close(): Promise<void>;
}

export interface ModelOptions {
  /** What to run on: `auto`, `cpu`, `cuda[:n]`, `tensorrt[:n]`, `webgpu`, `dml[:n]` or `coreml`. Default `auto`. */
  readonly device?: string;
  /** Whole numbers in place of large matrices: less memory, faster, a little less exact. Default: as they are. */
  readonly quantize?: QuantizedName;
  /** Threads to compute with. Default: all cores, but one when a control loop keeps time on this machine. */
  readonly threads?: number;
  /** Added to the nice value of those threads, 0 to 19. Default 5. */
  readonly niceness?: number;
  /** Told in sentences what was chosen and why, and what takes long. */
  readonly onNote?: (sentence: string) => void;
}
