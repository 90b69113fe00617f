import { EventCode, type EventSink } from './event-codes.ts';

/** A limit not hit for this long is told of anew when it is hit again. */
const FORGET_NS = 0.1e9;

/** Which limits shaped this tick's command. Tells of each once, not in every tick that it lasts. */
export class LimitReport {
  /** {@link LimitBit}s of this tick. */
  hit = 0;
  readonly #events: EventSink;
  #told = 0;
  readonly #seenNs = new Float64Array(1);

  constructor(events: EventSink) {
    this.#events = events;
  }

  /** At the end of a tick. */
  tell(nowNs: number): void {
    const added = this.hit & ~this.#told;
    if (added !== 0) this.#events.push(nowNs, EventCode.LIMITS, added);
    if (this.hit !== 0) this.#seenNs[0] = nowNs;
    this.#told |= this.hit;
    if (nowNs - this.#seenNs[0]! > FORGET_NS) this.#told = 0;
  }
}
