import type { InferOptions } from '../policy.ts';
import { cumulativeAlphas, type NoiseScheduleSettings, visitedTimesteps } from './noise-schedule.ts';

export interface DiffusionSettings extends NoiseScheduleSettings {
  /** What the network predicts: the noise in the sample, or the clean sample. */
  readonly predicts: 'epsilon' | 'sample';
  /** The clean sample is held within plus and minus this. Left out: it is not held. */
  readonly clipRange?: number | undefined;
}

/** What one step of the walk back needs to know: shares left at this step and at the one it leads to. */
export interface DiffusionStep {
  readonly alpha: number;
  readonly previousAlpha: number;
}

/** Replaces `sample` by the less noisy one that the network's prediction leads to. */
export type DiffusionRule = (
  step: DiffusionStep,
  settings: DiffusionSettings,
  sample: Float32Array,
  prediction: ArrayLike<number>,
  /** As many numbers from the normal distribution as the sample has; undefined at the last step. */
  noise: ArrayLike<number> | undefined,
) => void;

export interface DiffusionRun extends Pick<InferOptions, 'signal' | 'onStage'> {
  readonly settings: DiffusionSettings;
  readonly rule: DiffusionRule;
  /** Denoising steps, 1 to `settings.trainSteps`. */
  readonly steps: number;
  /** The noise to begin with; then that of each step but the last, for rules that add some. */
  readonly noise: readonly Float32Array[];
  /** The network: its prediction for a noisy sample at a step of the process. */
  predict(sample: Float32Array, timestep: number): Promise<ArrayLike<number>>;
}

/**
 * Walks a sample back from noise, a network's prediction at each step. The signal is heeded before each step; every
 * step is reported as `denoise step`.
 */
export async function denoise(run: DiffusionRun): Promise<Float32Array> {
  const { settings, rule, steps, noise, signal, onStage } = run;
  const alphas = cumulativeAlphas(settings);
  const timesteps = visitedTimesteps(settings.trainSteps, steps);
  const sample = Float32Array.from(noise[0] ?? []);
  for (const [index, timestep] of timesteps.entries()) {
    signal?.throwIfAborted();
    const started = performance.now();
    const alpha = alphas[timestep] as number;
    const previous = timesteps[index + 1];
    const previousAlpha = previous === undefined ? 1 : (alphas[previous] as number);
    const prediction = await run.predict(sample, timestep);
    rule({ alpha, previousAlpha }, settings, sample, prediction, noise[index + 1]);
    onStage?.('denoise step', performance.now() - started);
  }
  signal?.throwIfAborted();
  return sample;
}

const { fround, sqrt } = Math;

/** Element by element: the clean sample and the noise that a prediction amounts to. */
export function readPrediction(
  { predicts, clipRange = Number.POSITIVE_INFINITY }: DiffusionSettings,
  alpha: number,
): (sample: number, prediction: number) => { clean: number; noise: number } {
  const signalScale = fround(sqrt(alpha));
  const noiseScale = fround(sqrt(fround(1 - alpha)));
  const clip = (value: number) => Math.max(-clipRange, Math.min(clipRange, value));
  if (predicts === 'sample') {
    return (sample, prediction) => ({
      clean: clip(prediction),
      noise: (sample - signalScale * prediction) / noiseScale,
    });
  }
  return (sample, prediction) => ({
    clean: clip((sample - noiseScale * prediction) / signalScale),
    noise: prediction,
  });
}
