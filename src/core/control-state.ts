/** The control process's states, with the codes that stand in the segment. */
export const ControlState = {
  IDLE: 0,
  RUNNING: 1,
  PAUSED: 2,
  RESETTING: 3,
  EMERGENCY_STOP: 4,
  DAMPING: 5,
} as const;
export type ControlStateName = keyof typeof ControlState;
export type ControlStateCode = (typeof ControlState)[ControlStateName];

/** Bits of the request and acknowledgement words. */
export const Request = { START: 1, PAUSE: 2, RESET: 4, STOP: 8 } as const;
export type RequestName = keyof typeof Request;

/** Bits of the error word. Bits 1 to 8 are published; the rest say more about the same fault. */
export const ErrorBit = {
  TIMEOUT: 1,
  SAFETY: 2,
  COMMUNICATION: 4,
  HARDWARE: 8,
  WATCHDOG: 16,
  GUARDIAN: 32,
  OVER_TEMPERATURE: 64,
  TRACKING: 128,
  COLLISION: 256,
  OVER_TORQUE: 512,
} as const;
export type ErrorBitName = keyof typeof ErrorBit;

/** What can happen to the state machine: four requests and five things the loop notices itself. */
export type ControlEvent =
  | 'start'
  | 'pause'
  | 'reset'
  | 'stop'
  | 'watchdog'
  | 'resetDone'
  | 'fault'
  | 'atRest';

/**
 * The state machine. Returns the next state, or `undefined` when the event is not allowed in this state
 * (it is then refused and nothing changes). A stop is allowed in every state and is never undone.
 */
export function transition(state: ControlStateCode, event: ControlEvent): ControlStateCode | undefined {
  const { IDLE, RUNNING, PAUSED, RESETTING, EMERGENCY_STOP, DAMPING } = ControlState;
  switch (event) {
    case 'stop':
    case 'fault':
      return state === DAMPING ? DAMPING : EMERGENCY_STOP;
    case 'start':
      return state === IDLE || state === PAUSED ? RUNNING : undefined;
    case 'pause':
    case 'watchdog':
      return state === RUNNING ? PAUSED : undefined;
    case 'reset':
      return state === RUNNING || state === PAUSED || state === IDLE ? RESETTING : undefined;
    case 'resetDone':
      return state === RESETTING ? IDLE : undefined;
    case 'atRest':
      return state === EMERGENCY_STOP ? DAMPING : undefined;
  }
}

const STATE_NAMES = Object.keys(ControlState) as ControlStateName[];

/** `stateName(1)` is `'RUNNING'`; an unknown code is `'UNKNOWN(code)'`. */
export const stateName = (code: number): string =>
  STATE_NAMES.find((name) => ControlState[name] === code) ?? `UNKNOWN(${code})`;

/** The names of the bits set in `word`, for example `bitNames(ErrorBit, 5)` is `['TIMEOUT', 'COMMUNICATION']`. */
export const bitNames = (table: Readonly<Record<string, number>>, word: number): string[] =>
  Object.keys(table).filter((name) => (word & (table[name] ?? 0)) !== 0);
