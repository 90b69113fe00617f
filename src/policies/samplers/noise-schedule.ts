/**
 * How much of a sample is left at each step of a diffusion process, and which steps are walked back when acting.
 *
 * Numbers are rounded to float32 where diffusers' are: near the ends of a schedule they are differences of almost
 * equal numbers, and a network was trained on the rounded ones.
 */

export const BETA_SCHEDULES = ['linear', 'scaled_linear', 'squaredcos_cap_v2'] as const;
export type BetaSchedule = (typeof BETA_SCHEDULES)[number];

export interface NoiseScheduleSettings {
  /** Steps of the process that training used. */
  readonly trainSteps: number;
  readonly betaSchedule: BetaSchedule;
  /** First and last variance of the two linear schedules. */
  readonly betaStart: number;
  readonly betaEnd: number;
}

const { fround } = Math;

/**
 * The share of the clean sample's variance that is left at each step: the running product of `1 - beta`
 * (Ho et al. 2020, arXiv 2006.11239, section 2).
 */
export function cumulativeAlphas(settings: NoiseScheduleSettings): Float32Array {
  const betas = betasOf(settings);
  let product = 1;
  return betas.map((beta) => {
    product *= fround(1 - beta);
    return product;
  });
}

/** The steps that `steps` denoising steps visit: evenly spaced by whole numbers, falling, 0 the last. */
export function visitedTimesteps(trainSteps: number, steps: number): number[] {
  const stride = Math.floor(trainSteps / steps);
  return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride);
}

function betasOf({ trainSteps, betaSchedule, betaStart, betaEnd }: NoiseScheduleSettings): Float32Array {
  switch (betaSchedule) {
    case 'linear':
      return evenlySpaced(betaStart, betaEnd, trainSteps);
    case 'scaled_linear':
      return evenlySpaced(Math.sqrt(betaStart), Math.sqrt(betaEnd), trainSteps).map((root) => root * root);
    case 'squaredcos_cap_v2':
      return Float32Array.from({ length: trainSteps }, (_, i) =>
        Math.min(1 - cosineAlpha((i + 1) / trainSteps) / cosineAlpha(i / trainSteps), 0.999),
      );
  }
}

/** Cosine schedule of Nichol and Dhariwal 2021 (arXiv 2102.09672, equation 17). */
const cosineAlpha = (time: number) => Math.cos(((time + 0.008) / 1.008) * (Math.PI / 2)) ** 2;

/** `torch.linspace` in float32: the second half is counted back from the end. */
function evenlySpaced(first: number, last: number, count: number): Float32Array {
  const start = fround(first);
  const end = fround(last);
  const step = count > 1 ? fround(fround(end - start) / (count - 1)) : 0;
  const half = Math.floor(count / 2);
  return Float32Array.from({ length: count }, (_, i) =>
    i < half || count === 1 ? start + fround(step * i) : end - fround(step * (count - 1 - i)),
  );
}
