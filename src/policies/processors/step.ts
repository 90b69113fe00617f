import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { Batch } from './batch.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One step of a processor pipeline. It changes the batch in place. */
export interface ProcessorStep {
  readonly name: string;
  apply(batch: Batch): void;
  /** Name a feature had before this step, for steps that rename. */
  sourceOf?(feature: string): string;
  /** What it reads words with, for steps that do. */
  readonly tokenizer?: Tokenizer;
}

/** A step as a checkpoint's JSON describes it. */
export const stepSchema = z.looseObject({
  registry_name: z.string().optional(),
  class: z.string().optional(),
  config: z.record(z.string(), z.unknown()).default({}),
  state_file: z.string().optional(),
  artifacts: z.record(z.string(), z.string()).optional(),
});
export type StepDescription = z.infer<typeof stepSchema>;

/** Makes a step from its description; `file` is the JSON it stands in. */
export type MakeStep = (description: StepDescription, file: string) => Promise<ProcessorStep>;

/** A step's settings, checked. @throws MyelinError CONFIG_INVALID */
export function checkedSettings<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new MyelinError('CONFIG_INVALID', { file, detail: `${issue?.path.join('.')}: ${issue?.message}` });
}
