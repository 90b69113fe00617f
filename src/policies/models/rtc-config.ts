import { z } from 'zod';
import type { RealTimeSupport } from '../policy.ts';

/** The enumeration's names; written as they are, or by their value in small letters. */
const schedule = z
  .string()
  .transform((text) => text.toLowerCase())
  .pipe(z.enum(['linear', 'exp', 'ones', 'zeros']));

/** `rtc_config` of `config.json`: null in most checkpoints. What is left out is as upstream's class has it. */
export const rtcConfigSchema = z
  .looseObject({
    mode: z.enum(['guided', 'trained']).optional(),
    prefix_attention_schedule: schedule.default('linear'),
    max_guidance_weight: z.number().positive().max(1e6).default(10),
    execution_horizon: z.int().positive().max(10_000).default(10),
  })
  .nullish();

/**
 * How a checkpoint continues a running chunk.
 * @param trainedDelay largest delay that training fixed the first rows for, steps; 0 for none
 */
export function realTimeSupport(
  config: z.infer<typeof rtcConfigSchema>,
  trainedDelay: number,
): RealTimeSupport {
  const trained = trainedDelay > 0;
  const wanted = config?.mode ?? (trained ? 'trained' : 'guided');
  return {
    mode: trained ? wanted : 'guided',
    trainedDelay,
    executionHorizon: config?.execution_horizon ?? 10,
    schedule: config?.prefix_attention_schedule ?? 'linear',
    maxGuidance: config?.max_guidance_weight ?? 10,
  };
}
