import { describe, expect, it } from 'vitest';
import { ControlState, ErrorBit } from '../core/control-state.ts';
import type { InferenceStatus } from './inference-node.ts';
import { keyActions } from './keys.ts';
import { panelLine, panelLines } from './panel.ts';

const status: InferenceStatus = {
  attached: true,
  controlState: ControlState.RUNNING,
  errors: ErrorBit.TIMEOUT | ErrorBit.SAFETY,
  queueDepth: 12,
  queueCapacity: 24,
  inferenceMs: 8.26,
  frameAgeMs: 31,
  inferences: 7,
  failures: 1,
  waitingFor: undefined,
};

describe('the terminal panel', () => {
  it('says state, errors, queue, times and what the keys do now', () => {
    const text = panelLines('scripted', status).join('\n');
    expect(text).toContain('RUNNING  TIMEOUT, SAFETY');
    expect(text).toContain(`${'█'.repeat(12)}${'░'.repeat(12)} 12/24`);
    expect(text).toContain('8.3 ms   7 done, 1 failed');
    expect(text).toContain('[Space] pause');
  });

  it('says what the policy acts on within the task, when it was asked', () => {
    const asked = { ...status, subtask: 'take the red cube' };
    expect(panelLines('x', asked).join('\n')).toContain('subtask     take the red cube');
    expect(panelLine(asked)).toContain('subtask "take the red cube"');
    expect(panelLines('x', status).join('\n')).not.toContain('subtask');
  });

  it('says that there is no arm and what it waits for', () => {
    const text = panelLines('x', {
      ...status,
      attached: false,
      controlState: undefined,
      waitingFor: 'the arm',
    });
    expect(text.join('\n')).toMatch(
      /no arm \(not in command\)[\s\S]*waiting for the arm[\s\S]*\[Space\] start/,
    );
  });

  it('draws a queue that is fuller than a chunk as full', () => {
    expect(panelLines('x', { ...status, queueDepth: 99 })[2]).toBe(`queue       ${'█'.repeat(24)} 99/24`);
  });

  it('fits in a line for logs', () => {
    expect(panelLine(status)).toBe('RUNNING | queue 12/24 | inference 8.3 ms | frames 31 ms old | 1 failed');
  });
});

describe('keys', () => {
  it.each([
    [' ', ['toggle']],
    ['r', ['reset']],
    ['R', ['reset']],
    ['q', ['quit']],
    ['\u0003', ['quit']],
    ['\u001b', ['stop']],
    ['\u001b[A', []],
    ['\u001b[15~', []],
    ['x', []],
    ['\u001b[Aq', ['quit']],
    ['  r', ['toggle', 'toggle', 'reset']],
    ['x\u001b', ['stop']],
    ['\u001bq', ['stop', 'quit']],
  ])('%j means %j', (input, actions) => {
    expect(keyActions(input)).toEqual(actions);
  });
});
