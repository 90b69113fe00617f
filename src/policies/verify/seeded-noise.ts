import { z } from 'zod';
import { seededUniform } from './seeded-observation.ts';

const count = z.int().positive().max(10_000);
const flowSchema = z.looseObject({ chunk_size: count, max_action_dim: count });
const diffusionSchema = z.looseObject({
  type: z.literal('diffusion'),
  horizon: count,
  num_train_timesteps: count,
  num_inference_steps: count.nullish(),
  noise_scheduler_type: z.string(),
  output_features: z.looseObject({ action: z.looseObject({ shape: z.tuple([count]) }) }),
});

/**
 * The noise a seed stands for, for the model of a `config.json`; undefined for one that does not denoise. Uniform
 * numbers: flow models get twice those from -1 to 1, diffusion the same with a variance of one, and for DDPM that of
 * every step.
 */
export function seededNoise(config: unknown, seed: number, step: number): Float32Array | undefined {
  const noise = (length: number, scale: number) =>
    Float32Array.from(seededUniform(seed, `noise@${step}`, length), (value) => scale * value);
  const diffusion = diffusionSchema.safeParse(config);
  if (diffusion.success) {
    const { horizon, num_train_timesteps, num_inference_steps, noise_scheduler_type } = diffusion.data;
    const [length] = diffusion.data.output_features.action.shape;
    const draws = noise_scheduler_type === 'DDPM' ? (num_inference_steps ?? num_train_timesteps) : 1;
    return noise(draws * horizon * length, Math.sqrt(3));
  }
  const flow = flowSchema.safeParse(config);
  return flow.success ? noise(flow.data.chunk_size * flow.data.max_action_dim, 2) : undefined;
}
