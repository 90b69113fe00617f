import { EventCode } from '../../control/event-codes.ts';
import { eventText } from '../../control/event-text.ts';
import { EventReader, type LoopEvent } from '../../control/events.ts';
import type { Clock } from '../../core/clock.ts';
import { ControlState } from '../../core/control-state.ts';
import type { EventLog } from './event-log.ts';
import type { EventLevel } from './telemetry.ts';

const STATE_LEVELS: Readonly<Record<number, EventLevel>> = {
  [ControlState.RUNNING]: 'good',
  [ControlState.PAUSED]: 'warning',
  [ControlState.EMERGENCY_STOP]: 'alarm',
  [ControlState.DAMPING]: 'alarm',
};

/** Passes what the control loop noticed on to the page's log. One for each control process. */
export class LoopEvents {
  readonly #reader: EventReader;
  readonly #jointNames: readonly string[];
  readonly #log: EventLog;
  readonly #clock: Clock;

  /** @param memory the arm's segment; its events are told from the oldest that is still there */
  constructor(memory: ArrayBufferLike, jointNames: readonly string[], log: EventLog, clock: Clock) {
    this.#reader = new EventReader(memory);
    this.#jointNames = jointNames;
    this.#log = log;
    this.#clock = clock;
  }

  /** Takes over everything since the last call. */
  read(): void {
    const nowNs = this.#clock.nowNs();
    const unixS = this.#clock.unixS();
    for (const event of this.#reader.read()) {
      // Up to ten a second in ordinary work, and shown live beside the joints.
      if (event.code === EventCode.LIMITS) continue;
      const { level, text } = eventText(event, { jointNames: this.#jointNames });
      this.#log.add('arm', stateLevel(event) ?? level, text, unixS - (nowNs - event.timeNs) / 1e9);
    }
  }
}

const stateLevel = ({ code, detail }: LoopEvent): EventLevel | undefined =>
  code === EventCode.STATE ? STATE_LEVELS[detail] : undefined;
