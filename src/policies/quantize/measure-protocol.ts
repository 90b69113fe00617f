/** What crosses between whoever measures a checkpoint and the process that does it. */
import type { ErrorCode, ErrorParameters } from '../../core/errors.ts';
import type { ModelOptions } from '../model.ts';

export interface MeasureRequest {
  readonly path: string;
  readonly model: Omit<ModelOptions, 'onNote'>;
  /** Observations whose actions are answered; inferences that are timed after them. */
  readonly observations: number;
  readonly repeats: number;
  readonly seed: number;
}

export type MeasureAnswer =
  | { readonly kind: 'note'; readonly sentence: string }
  | { readonly kind: 'measured'; readonly form: MeasuredForm }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly parameters: ErrorParameters };

/** One form of a checkpoint's weights, measured in a process of its own. */
export interface MeasuredForm {
  /** Actions for each observation, [rows, axes]. */
  readonly chunks: readonly Float64Array[];
  readonly axes: number;
  /** Milliseconds from opening to the first action, without making the quantised file. */
  readonly firstActionMs: number;
  /** Median of each stage, ms; `total` is the whole inference. A stage that runs several times counts each. */
  readonly stageMs: ReadonlyMap<string, number>;
  /** Most memory the process held, bytes; Node and the model runtime are about 100 MiB of it. */
  readonly peakBytes: number;
}
