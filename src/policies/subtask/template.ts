import { MyelinError } from '../../core/errors.ts';

/** What fills a template. */
export interface PromptParts {
  readonly task: string;
  /** The normalised state as bins, see `stateBins`. */
  readonly state: string;
  readonly subtask: string;
}

/**
 * How a policy is asked for a subtask, and how its actions then follow from it. Texts hold `{task}`, `{state}` and
 * `{subtask}`; the tokenizer adds its own beginning-of-sequence token.
 */
export interface SubtaskTemplate {
  readonly name: string;
  /** The words whose continuation is the subtask. */
  readonly question: string;
  /** `openpi` puts the task in lower case and ends it with a full stop; `plain` only trims it. */
  readonly taskForm: 'plain' | 'openpi';
  readonly actions: /** The subtask stands for the task in the checkpoint's own prompt. */
    | { readonly by: 'task' }
    /** Another prompt. */
    | { readonly by: 'prompt'; readonly prompt: string }
    /** The sequence goes on after the subtask, with the same cache: only the cue is new. */
    | { readonly by: 'continuation'; readonly cue: string };
}

/**
 * Public recipes. None is official: openpi releases no text decoding for pi0.5, and whether a checkpoint answers
 * sensibly depends on how it was trained. A checkpoint trained on actions alone answers noise.
 */
export const SUBTASK_TEMPLATES: readonly SubtaskTemplate[] = [
  {
    // The question of openpi_subtask_generation; actions as the released pi0.5 checkpoints expect them.
    name: 'task-subtask',
    question: 'Task: {task} Subtask: ',
    taskForm: 'openpi',
    actions: { by: 'task' },
  },
  {
    // As above, for checkpoints trained to act in the same sequence.
    name: 'task-subtask-action',
    question: 'Task: {task} Subtask: ',
    taskForm: 'openpi',
    actions: { by: 'continuation', cue: '.;\nAction: ' },
  },
  {
    // OpenTau's.
    name: 'response',
    question: 'Task: {task}<eos>State: {state}<eos>Response:',
    taskForm: 'plain',
    actions: { by: 'continuation', cue: '<eos>Actions:' },
  },
  {
    // That of LeRobot's proposed pi052.
    name: 'assistant',
    question: 'User: {task}\nAssistant:',
    taskForm: 'plain',
    actions: { by: 'prompt', prompt: 'User: {subtask}\n' },
  },
];

/**
 * A template by its name.
 * @throws MyelinError INVALID_ARGUMENT
 */
export function subtaskTemplate(name: string): SubtaskTemplate {
  const found = SUBTASK_TEMPLATES.find((template) => template.name === name);
  if (found !== undefined) return found;
  const allowed = `one of ${SUBTASK_TEMPLATES.map((template) => template.name).join(', ')}`;
  throw new MyelinError('INVALID_ARGUMENT', { name: 'subtask template', value: name, allowed });
}

/** Fills a text of a template; words in braces that are no part of a prompt stay. */
export function fillPrompt(text: string, parts: PromptParts): string {
  return text.replaceAll(/\{(task|state|subtask)\}/g, (_, name: keyof PromptParts) => parts[name]);
}

/** The task as the template's author trained with it. */
export function formTask(task: string, form: SubtaskTemplate['taskForm']): string {
  const clean = task.trim().replaceAll('_', ' ').replaceAll('\n', ' ');
  if (form === 'plain' || clean === '') return clean;
  return `${clean.toLowerCase().replace(/\p{P}+$/u, '')}.`;
}
