import {
  bitNames,
  ControlState,
  type ControlStateCode,
  ErrorBit,
  Request,
  stateName,
} from '../../core/control-state.ts';
import type { EventLog } from './event-log.ts';
import type { EventLevel } from './telemetry.ts';

const HOLD_WORDS = [
  null,
  'no fresh action arrives',
  'nobody gives a heartbeat',
  'it is paused',
  'the last chunk was refused',
  'it would have hit something',
] as const;

/** Why the arm holds, in words; null when it does not. */
export const holdWords = (reason: number): string | null =>
  reason === 0 ? null : (HOLD_WORDS[reason] ?? `reason ${reason}`);

const STATE_WORDS: Readonly<Record<ControlStateCode, readonly [EventLevel, string]>> = {
  [ControlState.IDLE]: ['info', 'is at rest and waits for Start'],
  [ControlState.RUNNING]: ['good', 'runs'],
  [ControlState.PAUSED]: ['warning', 'is paused'],
  [ControlState.RESETTING]: ['info', 'moves to its home pose'],
  [ControlState.EMERGENCY_STOP]: ['alarm', 'is being stopped'],
  [ControlState.DAMPING]: ['alarm', 'is stopped and damped'],
};

const asState = (code: number): ControlStateCode | undefined =>
  Object.values(ControlState).find((known) => known === code);

const lower = (names: readonly string[]): string => names.join(', ').toLowerCase().replaceAll('_', ' ');

/** What one look at the segment must tell to notice what happened since the last. */
export interface ArmLook {
  readonly controlState: number;
  readonly errors: number;
  readonly holdReason: number;
  /** START, PAUSE, RESET, STOP. */
  readonly requestsRefused: ArrayLike<number>;
  /** 0 = nobody commands. */
  readonly commanderPid: number;
  readonly commanderName: string;
}

/** Turns differences between looks into sentences for the event log. One for each control process. */
export class ArmWatcher {
  readonly #events: EventLog;
  #last: ArmLook | undefined;

  constructor(events: EventLog) {
    this.#events = events;
  }

  look(look: ArmLook): void {
    const now: ArmLook = { ...look, requestsRefused: Array.from(look.requestsRefused) };
    const last = this.#last;
    this.#last = now;
    this.#state(now, last);
    this.#errors(now, last);
    this.#commander(now, last);
    if (last === undefined) return;
    this.#refusals(now, last);
    this.#hold(now, last);
  }

  #state({ controlState, holdReason }: ArmLook, last: ArmLook | undefined): void {
    if (controlState === last?.controlState) return;
    const state = asState(controlState);
    const [level, words] =
      state === undefined ? (['warning', `is in ${stateName(controlState)}`] as const) : STATE_WORDS[state];
    const why = holdWords(holdReason);
    const explained = state === ControlState.PAUSED && holdReason !== 3 && why !== null;
    this.#events.add('arm', level, explained ? `${words}: ${why}` : words);
  }

  #errors({ errors }: ArmLook, last: ArmLook | undefined): void {
    const risen = errors & ~(last?.errors ?? 0);
    if (risen !== 0) this.#events.add('arm', 'alarm', `reports: ${lower(bitNames(ErrorBit, risen))}`);
  }

  #commander({ commanderPid, commanderName }: ArmLook, last: ArmLook | undefined): void {
    if (commanderPid === (last?.commanderPid ?? 0)) return;
    if (commanderPid === 0)
      this.#events.add('arm', 'warning', `is not commanded by ${last?.commanderName} any more`);
    else this.#events.add('arm', 'good', `is commanded by ${commanderName} (process ${commanderPid})`);
  }

  #refusals({ requestsRefused, controlState }: ArmLook, last: ArmLook): void {
    Object.keys(Request).forEach((name, index) => {
      if ((requestsRefused[index] ?? 0) === (last.requestsRefused[index] ?? 0)) return;
      const text = `refused ${name.toLowerCase()}: not possible while ${lower([stateName(controlState)])}`;
      this.#events.add('arm', 'warning', text);
    });
  }

  /** Only while running: every other state says it by itself. */
  #hold({ controlState, holdReason }: ArmLook, last: ArmLook): void {
    if (controlState !== ControlState.RUNNING || holdReason === last.holdReason) return;
    const why = holdWords(holdReason);
    if (why !== null) this.#events.add('arm', 'warning', `holds: ${why}`);
    else if (last.controlState === ControlState.RUNNING) this.#events.add('arm', 'info', 'moves on');
  }
}
