import type { InferOptions } from './policy.ts';
import type { Batch } from './processors/batch.ts';

export interface PictureNeed {
  /** Feature name, after the processors. */
  readonly feature: string;
  readonly width: number;
  readonly height: number;
}

export interface VectorNeed {
  readonly feature: string;
  readonly length: number;
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
  /**
   * `chunkRows * actionLength` numbers, row by row. `options.signal` is heeded between stages, `options.onStage` is
   * told each stage's time. One call at a time.
   */
  predict(batch: Batch, options: InferOptions): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

export interface ModelOptions {
  /** Threads to compute with. Default: one fewer than there are cores, at least one. */
  readonly threads?: number;
  /** Added to the nice value of those threads, 0 to 19. Default 5. */
  readonly niceness?: number;
}
