import { keyAction } from './key-actions.ts';
import { connection } from './state/live.ts';
import { calm, quitAsked } from './state/store.ts';

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
