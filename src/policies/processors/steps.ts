import { newLineStep, tokenizerStep } from './language.ts';
import { normalizerStep, unnormalizerStep } from './normalizer-step.ts';
import { absoluteActionsStep, relativeActionsStep } from './relative-actions.ts';
import { renameStep } from './rename.ts';
import { statePromptStep } from './state-prompt.ts';
import type { MakeStep, ProcessorStep } from './step.ts';

/** Steps that only move tensors about. */
const nothing = (): Promise<ProcessorStep> => Promise.resolve({ name: 'nothing', apply: () => undefined });

/** The steps that are known, by LeRobot's registry names. A new one is one more row. */
export const STEPS: Readonly<Record<string, MakeStep>> = {
  rename_observations_processor: renameStep,
  to_batch_processor: nothing,
  device_processor: nothing,
  smolvla_new_line_processor: newLineStep,
  pi0_new_line_processor: newLineStep,
  pi05_prepare_state_tokenizer_processor_step: statePromptStep,
  tokenizer_processor: tokenizerStep,
  normalizer_processor: normalizerStep,
  unnormalizer_processor: unnormalizerStep,
  relative_actions_processor: relativeActionsStep,
  absolute_actions_processor: absoluteActionsStep,
};
