import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { STATE } from '../features.ts';
import { readJson } from '../read-json.ts';
import { checkedSettings, type ProcessorStep, type StepDescription } from './step.ts';

const settingsSchema = z.looseObject({
  max_state_dim: z.int().positive().max(4096).default(32),
  task_key: z.literal('task').default('task'),
  include_state_in_prompt: z.boolean().default(true),
});
const neighboursSchema = z.looseObject({
  steps: z.array(z.looseObject({ registry_name: z.string().optional() })),
});

/** Under this name the step notes the bins it wrote, for other prompts. */
export const STATE_BINS = 'state bins';

/**
 * `pi05_prepare_state_tokenizer_processor_step`: the normalised state becomes part of the words, as whole numbers.
 *
 * LeRobot before 0.5 (March 2026) filled the state with zeros up to `max_state_dim` first, so checkpoints trained
 * with it read those too. Its processor files are told by the lack of a `relative_actions_processor`.
 */
export async function statePromptStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const settings = checkedSettings(settingsSchema, description.config, file);
  const { steps } = await readJson(file, neighboursSchema);
  const padded = !steps.some((step) => step.registry_name === 'relative_actions_processor');
  return {
    name: 'state prompt',
    apply: (batch) => {
      const state = batch.vectors.get(STATE);
      if (state === undefined) {
        const needed = 'a state, which the words of this policy hold';
        throw new MyelinError('OBSERVATION_MISMATCH', { needed, found: 'none', advice: 'Send one.' });
      }
      const full = new Float64Array(padded ? Math.max(state.length, settings.max_state_dim) : state.length);
      full.set(state);
      const bins = stateBins(full);
      batch.notes.set(STATE_BINS, Float64Array.from(bins));
      const task = batch.task.trim().replaceAll('_', ' ').replaceAll('\n', ' ');
      const words = settings.include_state_in_prompt ? `${task}, State: ${bins.join(' ')}` : task;
      batch.task = `Task: ${words};\nAction: `;
    },
  };
}

/** Which of 256 equal parts of [-1, 1] each number lies in; -1 below, 255 above (openpi's discretisation). */
export function stateBins(state: Float64Array): number[] {
  // Rounded to float32 first, as training code holds the state.
  return Array.from(state, (value) =>
    Math.min(255, Math.max(-1, Math.floor(Math.fround(value) * 128) + 128)),
  );
}
