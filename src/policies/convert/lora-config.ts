import { join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { readJson } from '../read-json.ts';

const off = z.literal(false).nullish();

const loraSchema = z.looseObject({
  peft_type: z.string(),
  base_model_name_or_path: z.string().nullish(),
  r: z.int().positive(),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  bias: z.string().nullish(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
});

/** What would change the result and is not computed here. */
const unsupportedSchema = z.looseObject({
  use_dora: off,
  lora_bias: off,
  megatron_config: off,
  trainable_token_indices: off,
});

/** `adapter_config.json` of a LoRA adapter. */
export interface LoraConfig {
  readonly file: string;
  /** Path or Hub id of the checkpoint it was trained on. */
  readonly base: string | undefined;
  /** Whether base matrices are stored [inputs, outputs]. */
  readonly transposed: boolean;
  /** Factor of the change to a module's matrix, for the rank its tensors have. */
  scale(module: string, rank: number): number;
}

/** @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID, CHECKPOINT_UNSUPPORTED */
export async function readLoraConfig(folder: string): Promise<LoraConfig> {
  const file = join(folder, 'adapter_config.json');
  const config = await readJson(file, loraSchema);
  const unsupported = (feature: string) =>
    new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file,
      feature,
      advice: 'Merge it with PEFT (merge_and_unload), then save the policy.',
    });
  if (config.peft_type !== 'LORA') throw unsupported(`an adapter of type ${config.peft_type}`);
  const other = unsupportedSchema.safeParse(config);
  if (!other.success) throw unsupported(String(other.error.issues[0]?.path[0]));
  if ((config.bias ?? 'none') !== 'none') throw unsupported(`bias ${config.bias}`);
  const alphas = Object.entries(config.alpha_pattern ?? {});
  // PEFT takes the keys for regular expressions; a pattern from a file is not run here.
  const pattern = alphas.find(([key]) => !/^[\w.]+$/.test(key));
  if (pattern !== undefined) throw unsupported(`the alpha_pattern "${pattern[0]}"`);
  return {
    file,
    base: config.base_model_name_or_path ?? undefined,
    transposed: config.fan_in_fan_out ?? false,
    scale: (module, rank) => {
      const own = alphas.find(([key]) => module === key || module.endsWith(`.${key}`))?.[1];
      return (own ?? config.lora_alpha) / (config.use_rslora ? Math.sqrt(rank) : rank);
    },
  };
}
