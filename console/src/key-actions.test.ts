import { describe, expect, it } from 'vitest';
import { keyAction } from './key-actions.ts';

describe('keys', () => {
  it.each([
    [' ', 'RUNNING', 'pause'],
    [' ', 'PAUSED', 'start'],
    [' ', undefined, 'start'],
    ['r', 'RUNNING', 'reset'],
    ['R', 'IDLE', 'reset'],
    ['q', 'RUNNING', 'askQuit'],
    ['x', 'RUNNING', undefined],
  ])('%j while %s means %s', (key, state, action) => {
    expect(keyAction(key, state)).toBe(action);
  });

  it('Esc means stop whatever the state', () => {
    for (const state of ['IDLE', 'RUNNING', 'PAUSED', 'RESETTING', 'EMERGENCY_STOP', 'DAMPING', undefined]) {
      expect(keyAction('Escape', state)).toBe('stop');
    }
  });
});
