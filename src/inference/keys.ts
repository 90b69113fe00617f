/** What a key asks for. */
export type KeyAction = 'toggle' | 'reset' | 'quit' | 'stop';

/**
 * The keys: Space starts or pauses, R resets, Q (and Ctrl-C) quits safely, Esc stops the arm and quits. A lone ESC
 * byte is the Escape key; one followed by more is a cursor or function key, which means nothing here.
 */
export function keyAction(input: string): KeyAction | undefined {
  switch (input) {
    case ' ':
      return 'toggle';
    case 'r':
    case 'R':
      return 'reset';
    case 'q':
    case 'Q':
    case '\u0003':
      return 'quit';
    case '\u001b':
      return 'stop';
    default:
      return undefined;
  }
}
