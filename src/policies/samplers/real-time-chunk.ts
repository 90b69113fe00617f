import { MyelinError } from '../../core/errors.ts';
import type { PullSchedule, RealTimeChunk, RealTimeMode, RealTimeSupport } from '../policy.ts';

/** Real-time chunking where a model denoises: normalised actions, as wide as the model's own. */
export interface ChunkContinuation {
  readonly rows: number;
  /** [rows, width], zero where the previous chunk has nothing to say. */
  readonly previous: Float32Array;
  /** Rows of the previous chunk that are real. */
  readonly previousRows: number;
  readonly delaySteps: number;
  readonly executionHorizon: number;
  readonly schedule: PullSchedule;
  readonly maxGuidance: number;
  readonly mode: RealTimeMode;
}

/**
 * The previous chunk, padded to the model's rows and width.
 * @param previous normalised, [request.rows, previousWidth]
 * @param support what the checkpoint says, where the request says nothing
 * @throws MyelinError INVALID_ARGUMENT
 */
export function continuation(
  request: RealTimeChunk,
  previous: Float64Array,
  {
    rows,
    width,
    support,
  }: { readonly rows: number; readonly width: number; readonly support: RealTimeSupport },
): ChunkContinuation {
  const { mode, delaySteps } = request;
  const { executionHorizon, schedule, maxGuidance } = { ...support, ...request };
  if (mode === 'trained') checkTrained(request, rows, support.trainedDelay);
  const previousWidth = request.rows === 0 ? 0 : previous.length / request.rows;
  const previousRows = Math.min(request.rows, rows);
  const padded = new Float32Array(rows * width);
  for (let row = 0; row < previousRows; row++) {
    padded.set(previous.subarray(row * previousWidth, (row + 1) * previousWidth), row * width);
  }
  return { rows, previous: padded, previousRows, delaySteps, executionHorizon, schedule, maxGuidance, mode };
}

function checkTrained({ delaySteps, rows: held }: RealTimeChunk, rows: number, trainedDelay: number): void {
  const invalid = (name: string, value: string | number, allowed: string) =>
    new MyelinError('INVALID_ARGUMENT', { name: `realTimeChunk.${name}`, value, allowed });
  if (trainedDelay === 0)
    throw invalid('mode', 'trained', '"guided": the checkpoint was not trained for the other');
  const most = Math.min(trainedDelay, rows - 1, held);
  if (delaySteps > most) throw invalid('delaySteps', delaySteps, `at most ${most} here`);
}

/** What is left of the pull where a straight line would leave `share`, 0 to 1. */
const FALLS: Readonly<Record<PullSchedule, (share: number) => number>> = {
  linear: (share) => share,
  exp: (share) => (share * Math.expm1(share)) / Math.expm1(1),
  ones: () => 1,
  zeros: () => 0,
};

/**
 * How strongly each row is pulled: one for rows that will be executed before the chunk arrives, then falling as the
 * schedule says, nothing from the horizon on.
 */
export function pullWeights(
  rows: number,
  delaySteps: number,
  executionHorizon: number,
  schedule: PullSchedule = 'linear',
): Float32Array {
  const end = Math.min(executionHorizon, rows);
  const start = Math.min(delaySteps, end);
  return Float32Array.from({ length: rows }, (_, row) => {
    if (row < start) return 1;
    return row < end ? FALLS[schedule](1 - (row - start + 1) / (end - start + 1)) : 0;
  });
}

/**
 * Strength of the pull at a time, 1 (noise) to 0 (actions): `(1-τ)/τ * ((1-τ)² + τ²) / (1-τ)²` with τ = 1 - time, at
 * most `most` (Black et al. 2025, arXiv 2506.07339, section 4.2).
 */
export function guidanceStrength(time: number, most: number): number {
  const tau = 1 - time;
  const strength = (time / tau) * ((time * time + tau * tau) / (time * time));
  return Number.isFinite(strength) ? Math.min(strength, most) : most;
}

/**
 * Pulls a velocity, in place, so that the actions it leads to continue the previous chunk. The derivative of the
 * model is taken as one, so forward passes are all it takes.
 * @param x,velocity [rows, width]
 */
export function guide(velocity: Float32Array, x: Float32Array, time: number, chunk: ChunkContinuation): void {
  const { rows, previous, previousRows, delaySteps, executionHorizon, schedule, maxGuidance } = chunk;
  const weights = pullWeights(rows, delaySteps, Math.min(executionHorizon, previousRows), schedule);
  const width = velocity.length / rows;
  const strength = guidanceStrength(time, maxGuidance);
  for (let i = 0; i < velocity.length; i++) {
    const v = velocity[i] as number;
    const error = (previous[i] as number) - ((x[i] as number) - time * v);
    velocity[i] = v - strength * error * (weights[Math.floor(i / width)] as number);
  }
}
