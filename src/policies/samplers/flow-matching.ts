import { MyelinError } from '../../core/errors.ts';
import type { InferOptions } from '../policy.ts';
import { anySeed, normalNoise } from './noise.ts';
import { type ChunkContinuation, guide } from './real-time-chunk.ts';

/** When a velocity is asked for: at `time` for all rows, but 0 for the first `fixedRows`, which are final already. */
export interface FlowTime {
  /** 1 is noise, 0 actions. */
  readonly time: number;
  readonly fixedRows: number;
}

/** The model's velocity at x, [rows, width]. `x` is the callee's to keep. */
export type VelocityField = (x: Float32Array<ArrayBuffer>, at: FlowTime) => Promise<Float32Array>;

export interface FlowSettings {
  /** Of the chunk as the model denoises it, padding included. */
  readonly rows: number;
  readonly width: number;
  /** Steps when `options` names none. */
  readonly defaultSteps: number;
  readonly continuation?: ChunkContinuation | undefined;
  readonly options: Pick<InferOptions, 'signal' | 'onStage' | 'flowSteps' | 'noise' | 'seed'>;
}

const MAX_STEPS = 1000;

/**
 * Flow matching (Lipman et al. 2022, arXiv 2210.02747): follows the velocity from noise at time 1 to actions at time
 * 0 in equal Euler steps. The signal is heeded before each step; every step is reported as `denoise step`.
 * @returns [rows, width]
 * @throws MyelinError INVALID_ARGUMENT
 */
export async function integrateFlow(field: VelocityField, settings: FlowSettings): Promise<Float32Array> {
  const { rows, width, continuation, options, defaultSteps } = settings;
  const { flowSteps: steps = defaultSteps, signal, onStage } = options;
  if (!Number.isInteger(steps) || steps < 1 || steps > MAX_STEPS) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'flowSteps',
      value: steps,
      allowed: `a whole number from 1 to ${MAX_STEPS}`,
    });
  }
  const x = startingNoise(rows * width, options);
  const trained = continuation?.mode === 'trained' ? continuation : undefined;
  const fixedRows = trained?.delaySteps ?? 0;
  const fixed = trained?.previous.subarray(0, fixedRows * width) ?? new Float32Array(0);
  const step = Math.fround(1 / steps);
  for (let i = 0; i < steps; i++) {
    signal?.throwIfAborted();
    const started = performance.now();
    const time = 1 - i / steps;
    x.set(fixed);
    const velocity = await field(x.slice(), { time, fixedRows });
    if (continuation?.mode === 'guided') guide(velocity, x, time, continuation);
    for (let k = 0; k < x.length; k++) x[k] = (x[k] as number) - step * (velocity[k] as number);
    onStage?.('denoise step', performance.now() - started);
  }
  signal?.throwIfAborted();
  x.set(fixed);
  return x;
}

/** The time of each row, for models that are told row by row. */
export const rowTimes = ({ time, fixedRows }: FlowTime, rows: number): number[] =>
  Array.from({ length: rows }, (_, row) => (row < fixedRows ? 0 : time));

/** Noise as given, or from a seed. @throws MyelinError INVALID_ARGUMENT */
export function startingNoise(
  count: number,
  { noise, seed }: Pick<InferOptions, 'noise' | 'seed'>,
): Float32Array<ArrayBuffer> {
  if (noise === undefined) return normalNoise(seed ?? anySeed(), count);
  if (noise.length !== count || !noise.every(Number.isFinite)) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'noise',
      value: `${noise.length} numbers`,
      allowed: `${count} finite numbers`,
    });
  }
  return Float32Array.from(noise);
}
