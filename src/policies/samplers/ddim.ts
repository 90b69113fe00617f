import { type DiffusionRule, readPrediction } from './diffusion.ts';

const { fround, sqrt } = Math;

/**
 * Denoising diffusion implicit model (Song et al. 2021, arXiv 2010.02502, equation 12 with sigma 0): no noise is
 * added, so that few steps do.
 */
export const ddim: DiffusionRule = ({ alpha, previousAlpha }, settings, sample, prediction) => {
  const cleanWeight = fround(sqrt(previousAlpha));
  const noiseWeight = fround(sqrt(fround(1 - previousAlpha)));
  const read = readPrediction(settings, alpha);
  for (let i = 0; i < sample.length; i++) {
    const { clean, noise } = read(sample[i] as number, prediction[i] as number);
    sample[i] = cleanWeight * clean + noiseWeight * noise;
  }
};
