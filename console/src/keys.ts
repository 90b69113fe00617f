import type { PageRequest } from '../../src/remote/gateway/telemetry.ts';
import { connection } from './state/live.ts';
import { calm, quitAsked } from './state/store.ts';

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

/** Space belongs to a button that has the keyboard focus, as everywhere. */
const keepsSpace = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('button, a, input, select, textarea, summary') !== null;

export function listenToKeys(page: Window): void {
  page.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.repeat || (event.key === ' ' && keepsSpace(event.target))) return;
    const action = keyAction(event.key, calm.value?.arm?.state);
    if (action === undefined) return;
    event.preventDefault();
    if (action === 'askQuit') quitAsked.value = true;
    else connection.request(action);
    if (action === 'stop') quitAsked.value = false;
  });
}
