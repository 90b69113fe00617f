import { describe, expect, it } from 'vitest';
import {
  bitNames,
  type ControlEvent,
  ControlState,
  ErrorBit,
  stateName,
  transition,
} from './control-state.ts';

const { IDLE, RUNNING, PAUSED, RESETTING, EMERGENCY_STOP, DAMPING } = ControlState;

/** Every pair of state and event; `-` is a refusal. */
const EXPECTED: Record<ControlEvent, (number | undefined)[]> = {
  //           IDLE            RUNNING         PAUSED          RESETTING       EMERGENCY_STOP  DAMPING
  start: [RUNNING, undefined, RUNNING, undefined, undefined, undefined],
  pause: [undefined, PAUSED, undefined, undefined, undefined, undefined],
  watchdog: [undefined, PAUSED, undefined, undefined, undefined, undefined],
  reset: [RESETTING, RESETTING, RESETTING, undefined, undefined, undefined],
  resetDone: [undefined, undefined, undefined, IDLE, undefined, undefined],
  stop: [EMERGENCY_STOP, EMERGENCY_STOP, EMERGENCY_STOP, EMERGENCY_STOP, EMERGENCY_STOP, DAMPING],
  fault: [EMERGENCY_STOP, EMERGENCY_STOP, EMERGENCY_STOP, EMERGENCY_STOP, EMERGENCY_STOP, DAMPING],
  atRest: [undefined, undefined, undefined, undefined, DAMPING, undefined],
};

describe('the control state machine', () => {
  for (const event of Object.keys(EXPECTED) as ControlEvent[]) {
    for (const state of [IDLE, RUNNING, PAUSED, RESETTING, EMERGENCY_STOP, DAMPING]) {
      const next = EXPECTED[event][state];
      const outcome = next === undefined ? 'is refused' : `leads to ${stateName(next)}`;
      it(`${event} in ${stateName(state)} ${outcome}`, () => {
        expect(transition(state, event)).toBe(next);
      });
    }
  }

  it('names states and error bits for people', () => {
    expect(stateName(4)).toBe('EMERGENCY_STOP');
    expect(stateName(99)).toBe('UNKNOWN(99)');
    expect(bitNames(ErrorBit, 5)).toEqual(['TIMEOUT', 'COMMUNICATION']);
  });
});
