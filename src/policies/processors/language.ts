import { dirname } from 'node:path';
import { z } from 'zod';
import { checkedSettings, type ProcessorStep, type StepDescription } from './step.ts';
import { openTokenizer } from './tokenizer.ts';

const settingsSchema = z.looseObject({
  tokenizer_name: z.string().nullable().default(null),
  max_length: z.int().positive().max(1_000_000),
  truncation: z.boolean().default(true),
  task_key: z.literal('task').default('task'),
});

/** `tokenizer_processor`: the task's words to tokens. Padding is left out, as models here do without. */
export async function tokenizerStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const settings = checkedSettings(settingsSchema, description.config, file);
  const tokenizer = await openTokenizer(
    dirname(file),
    settings.tokenizer_name ?? '',
    description.artifacts?.tokenizer_name,
  );
  const most = settings.truncation ? settings.max_length : Number.POSITIVE_INFINITY;
  return {
    name: 'tokenize',
    tokenizer,
    apply: (batch) => {
      batch.tokens = { ids: tokenizer.encode(batch.task, most) };
    },
  };
}

/** `smolvla_new_line_processor`, `pi0_new_line_processor`: a task ends with a line break, as in training. */
export function newLineStep(): Promise<ProcessorStep> {
  return Promise.resolve({
    name: 'new line',
    apply: (batch) => {
      if (!batch.task.endsWith('\n')) batch.task = `${batch.task}\n`;
    },
  });
}
