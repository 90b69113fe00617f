import type { ArmDescription } from '../arms/description.ts';
import { bitNames, ErrorBit, Request, stateName } from '../core/control-state.ts';
import { ChunkRefusal, EventCode, FaultKind } from './event-codes.ts';
import type { LoopEvent } from './events.ts';
import { HoldReason, LimitBit } from './limit-bits.ts';

export type LogLevel = 'info' | 'warning' | 'alarm';

export interface EventText {
  readonly level: LogLevel;
  readonly text: string;
}

const HOLD_TEXT: Readonly<Record<number, string>> = {
  [HoldReason.NO_FRESH_ACTION]: 'no fresh action has come',
  [HoldReason.WATCHDOG]: 'the commander gives no sign of life',
  [HoldReason.PAUSED]: 'it is paused',
  [HoldReason.CHUNK_REFUSED]: 'the last chunk was refused',
  [HoldReason.COLLISION]: 'the next step would collide',
  [HoldReason.NO_FEEDBACK]: 'a motor is silent',
};

/** Why the arm holds, in words. */
export const holdText = (reason: number): string => HOLD_TEXT[reason] ?? `reason ${reason}`;

const REFUSAL_TEXT: Readonly<Record<number, string>> = {
  [ChunkRefusal.SHAPE]: 'its rows or joints do not fit this arm',
  [ChunkRefusal.NOT_FINITE]: 'it holds numbers that are not finite',
  [ChunkRefusal.STEP_PERIOD]: 'its step period is not between 1 ms and 1 s',
  [ChunkRefusal.TIME]: 'its times cannot be',
  [ChunkRefusal.EXPIRED]: 'all of it is in the past',
  [ChunkRefusal.OUT_OF_ORDER]: 'it is older than the one being executed',
};

const FAULT_TEXT: Readonly<Record<number, string>> = {
  [FaultKind.FEEDBACK_LOST]: 'a motor fell silent',
  [FaultKind.MOTOR]: 'a motor reports a fault',
  [FaultKind.OVER_TEMPERATURE]: 'a motor is too hot',
  [FaultKind.OVER_TORQUE]: 'a motor pushes too hard for too long',
  [FaultKind.TRACKING]: 'a joint does not follow its command',
  [FaultKind.OUTSIDE]: 'a joint is far outside its range',
  [FaultKind.BUS]: 'the bus is off',
  [FaultKind.GUARDIAN]: 'the guardian is gone',
};

const names = (table: Readonly<Record<string, number>>, bits: number): string =>
  bitNames(table, bits).join(', ') || String(bits);
const number = (value: number): string => String(Number(value.toPrecision(4)));

/** One of the loop's events as a line for people. */
export function eventText(
  { code, detail, a, b }: LoopEvent,
  { jointNames }: Pick<ArmDescription, 'jointNames'>,
): EventText {
  const joint = jointNames[a] ?? `joint ${a}`;
  const info = (text: string): EventText => ({ level: 'info', text });
  const warning = (text: string): EventText => ({ level: 'warning', text });
  const alarm = (text: string): EventText => ({ level: 'alarm', text });
  switch (code) {
    case EventCode.STATE:
      return info(`${stateName(a)} -> ${stateName(detail)}`);
    case EventCode.REQUEST_REFUSED:
      return warning(`${names(Request, detail)} refused in ${stateName(a)}`);
    case EventCode.ERROR_RAISED:
      return warning(`Error ${names(ErrorBit, detail)}`);
    case EventCode.ERROR_CLEARED:
      return info(`Error over: ${names(ErrorBit, detail)}`);
    case EventCode.CHUNK_REFUSED:
      return warning(`Chunk ${a} of process ${b} refused: ${REFUSAL_TEXT[detail] ?? `reason ${detail}`}`);
    case EventCode.COMMANDER:
      return info(
        detail === 0 ? 'A script without a lease commands the arm' : `Process ${detail} commands the arm`,
      );
    case EventCode.FAULT:
      return alarm(`Fault: ${FAULT_TEXT[detail] ?? `kind ${detail}`} (${joint}, ${number(b)})`);
    case EventCode.HOLD:
      return detail === HoldReason.NONE
        ? info('The arm moves again')
        : info(`The arm holds: ${holdText(detail)}`);
    case EventCode.LIMITS:
      return info(`Limited: ${names(LimitBit, detail)}`);
    case EventCode.RESET_BLOCKED:
      return warning('RESET refused: no free way home was found');
    case EventCode.STOPPING:
      return info(detail === 2 ? 'Damping at once: there is no feedback' : 'Coming to rest before damping');
    case EventCode.FINISHED:
      return info(`Damped for ${number(a)} s`);
    case EventCode.WARM:
      return warning(`The motor of ${joint} is warm: ${number(b)} degC`);
    case EventCode.GUARDIAN_LOST:
      return alarm('The guardian is gone: the arm comes to rest and is damped');
    default:
      return info(`Event ${code} (${detail}, ${number(a)}, ${number(b)})`);
  }
}
