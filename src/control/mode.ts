import { type ControlEvent, ControlState, type ControlStateCode, transition } from '../core/control-state.ts';
import { EventCode, type EventSink } from './event-codes.ts';
import { HoldReason } from './limit-bits.ts';

/** The control state, since when it lasts, and why the arm holds its pose in it. Tells of every change. */
export class Mode {
  readonly #events: EventSink;
  #state: ControlStateCode = ControlState.IDLE;
  #holdReason: number = HoldReason.NONE;
  // In an array, because numbers of this size in fields are boxed anew at every change.
  readonly #sinceNs = new Float64Array(1);

  constructor(events: EventSink) {
    this.#events = events;
  }

  get state(): ControlStateCode {
    return this.#state;
  }

  /** A {@link HoldReason}. */
  get holdReason(): number {
    return this.#holdReason;
  }

  /** The first state counts from the first call on. */
  begin(nowNs: number): void {
    if (this.#sinceNs[0] === 0) this.#sinceNs[0] = nowNs;
  }

  /** How long the state has lasted, ns. */
  lastedNs(nowNs: number): number {
    return nowNs - this.#sinceNs[0]!;
  }

  /** Lets `event` happen; an event that this state does not allow changes nothing. */
  go(nowNs: number, event: ControlEvent): void {
    const next = transition(this.#state, event);
    if (next === undefined || next === this.#state) return;
    this.#events.push(nowNs, EventCode.STATE, next, this.#state);
    this.#state = next;
    this.#sinceNs[0] = nowNs;
  }

  /** Holds for a {@link HoldReason}; `NONE` ends the hold. */
  hold(nowNs: number, reason: number): void {
    if (reason === this.#holdReason) return;
    this.#holdReason = reason;
    this.#events.push(nowNs, EventCode.HOLD, reason);
  }

  /** Ends a hold, but for one that the envelope will judge anew in this tick. */
  moveOn(nowNs: number): void {
    if (this.#holdReason !== HoldReason.COLLISION) this.hold(nowNs, HoldReason.NONE);
  }
}
