/** What a key asks for. */
export type KeyAction = 'toggle' | 'reset' | 'quit' | 'stop';

const ACTIONS: Readonly<Record<string, KeyAction>> = {
  ' ': 'toggle',
  r: 'reset',
  R: 'reset',
  q: 'quit',
  Q: 'quit',
  '\u0003': 'quit',
  '\u001b': 'stop',
};

/** Cursor and function keys begin with ESC too; everything else is one character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal sends control characters
const KEYS = /\u001b\[[\d;]*[A-Za-z~]|\u001bO[A-Za-z]|[\s\S]/g;

/**
 * The keys: Space starts or pauses, R resets, Q (and Ctrl-C) quits safely, Esc stops the arm and quits. A terminal may
 * deliver several keys in one piece; none is lost. Keys that mean nothing here are left out.
 */
export const keyActions = (input: string): KeyAction[] =>
  (input.match(KEYS) ?? []).flatMap((key) => ACTIONS[key] ?? []);
