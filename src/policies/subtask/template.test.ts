import { describe, expect, it } from 'vitest';
import { fillPrompt, formTask, SUBTASK_TEMPLATES, subtaskTemplate } from './template.ts';

describe('subtask templates', () => {
  it('are found by name, and an unknown name lists them', () => {
    for (const template of SUBTASK_TEMPLATES) expect(subtaskTemplate(template.name)).toBe(template);
    expect(() => subtaskTemplate('none such')).toThrow(
      /task-subtask, task-subtask-action, response, assistant/,
    );
  });

  it('fill in what they name and nothing else', () => {
    const parts = { task: 'wipe {state}', state: '1 2', subtask: 'take $& the cloth' };
    expect(fillPrompt('Task: {task}, State: {state};{other}', parts)).toBe(
      'Task: wipe {state}, State: 1 2;{other}',
    );
    expect(fillPrompt('User: {subtask}\n', parts)).toBe('User: take $& the cloth\n');
  });

  it('bring the task into the form it was trained in', () => {
    expect(formTask(' Clean_the Table!\nnow?! ', 'openpi')).toBe('clean the table! now.');
    expect(formTask(' Clean_the Table! ', 'plain')).toBe('Clean the Table!');
    expect(formTask('  ', 'openpi')).toBe('');
  });
});
