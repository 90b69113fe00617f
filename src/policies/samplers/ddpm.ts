import { type DiffusionRule, readPrediction } from './diffusion.ts';

const { fround, sqrt } = Math;

/**
 * Denoising diffusion (Ho et al. 2020, arXiv 2006.11239): the mean of equation 7 for the clean sample the network
 * sees, and noise of that posterior's variance at every step but the last.
 */
export const ddpm: DiffusionRule = ({ alpha, previousAlpha }, settings, sample, prediction, noise) => {
  const noiseShare = fround(1 - alpha);
  const previousNoiseShare = fround(1 - previousAlpha);
  const stepAlpha = fround(alpha / previousAlpha);
  const stepBeta = fround(1 - stepAlpha);
  const cleanWeight = fround(fround(fround(sqrt(previousAlpha)) * stepBeta) / noiseShare);
  const sampleWeight = fround(fround(fround(sqrt(stepAlpha)) * previousNoiseShare) / noiseShare);
  const variance = fround(fround(previousNoiseShare / noiseShare) * stepBeta);
  const deviation = fround(sqrt(Math.max(variance, 1e-20)));

  const read = readPrediction(settings, alpha);
  for (let i = 0; i < sample.length; i++) {
    const noisy = sample[i] as number;
    const { clean } = read(noisy, prediction[i] as number);
    sample[i] = cleanWeight * clean + sampleWeight * noisy + (noise ? deviation * (noise[i] as number) : 0);
  }
};
