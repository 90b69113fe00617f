import type { PageRequest } from '../../src/remote/gateway/telemetry.ts';

/** The keys of the inference terminal, here too. Shown in the dock. */
export const KEYS: readonly { readonly key: string; readonly does: string }[] = [
  { key: 'Space', does: 'start or pause' },
  { key: 'R', does: 'reset' },
  { key: 'Q', does: 'quit' },
  { key: 'Esc', does: 'stop' },
];

export type KeyAction = PageRequest | 'askQuit';

/** What a key asks for while the arm is in `state`; undefined for any other key. */
export function keyAction(key: string, state: string | undefined): KeyAction | undefined {
  switch (key) {
    case 'Escape':
      return 'stop';
    case ' ':
      return state === 'RUNNING' ? 'pause' : 'start';
    case 'r':
    case 'R':
      return 'reset';
    case 'q':
    case 'Q':
      return 'askQuit';
  }
  return undefined;
}
