import type { Subtask } from '../policy.ts';
import type { Batch, Tokens } from '../processors/batch.ts';
import { STATE_BINS } from '../processors/state-prompt.ts';
import type { Tokenizer } from '../processors/tokenizer.ts';
import { fillPrompt, formTask, type SubtaskTemplate } from './template.ts';

/** The words of a template as a model reads them. */
export class SubtaskPrompts {
  readonly template: SubtaskTemplate;
  readonly tokenizer: Tokenizer;

  constructor(template: SubtaskTemplate, tokenizer: Tokenizer) {
    this.template = template;
    this.tokenizer = tokenizer;
  }

  /** What asks for a subtask. `batch` went through the processors; `task` is as the observation has it. */
  question(batch: Batch, task: string): Tokens {
    return { ids: this.tokenizer.encode(this.#fill(this.template.question, batch, task, '')) };
  }

  /** What actions follow from, or undefined when it is the checkpoint's own prompt with the subtask for its task. */
  actions(batch: Batch, task: string, subtask: Pick<Subtask, 'text'> & Partial<Subtask>): Tokens | undefined {
    const { actions } = this.template;
    if (actions.by === 'task') return undefined;
    if (actions.by === 'prompt') {
      return { ids: this.tokenizer.encode(this.#fill(actions.prompt, batch, task, subtask.text)) };
    }
    const words = subtask.tokens ?? this.tokenizer.encodeWords(subtask.text);
    const continuation = [...words, ...this.tokenizer.encodeWords(actions.cue)];
    return { ...this.question(batch, task), continuation };
  }

  #fill(text: string, { notes }: Batch, task: string, subtask: string): string {
    const state = (notes.get(STATE_BINS) ?? []).join(' ');
    return fillPrompt(text, { task: formTask(task, this.template.taskForm), state, subtask });
  }
}
