import { EventCode, type EventSink } from './event-codes.ts';

/** Lamps for what passes by itself stay on for this long, so that somebody sees them. */
export const LAMP_NS = 1e9;

/**
 * The error word: bits that come and go. A raised bit stays on for a while after its cause has gone, so that a
 * person or a slow reader sees it; one raised for good stays.
 */
export class ErrorLamps {
  readonly #events: EventSink;
  readonly #untilNs = new Float64Array(32);
  #bits = 0;

  constructor(events: EventSink) {
    this.#events = events;
  }

  get bits(): number {
    return this.#bits;
  }

  /** Switches bits on until `holdNs` from now; `Infinity` for good. Raising again prolongs. */
  raise(bits: number, nowNs: number, holdNs: number): void {
    for (let i = 0; i < 32; i++) {
      if ((bits & (1 << i)) !== 0) this.#untilNs[i] = Math.max(this.#untilNs[i]!, nowNs + holdNs);
    }
    const added = bits & ~this.#bits;
    if (added === 0) return;
    this.#bits |= bits;
    this.#events.push(nowNs, EventCode.ERROR_RAISED, added, this.#bits);
  }

  /** Switches bits off now, those raised for good too. */
  clear(bits: number, nowNs: number): void {
    const gone = bits & this.#bits;
    if (gone === 0) return;
    for (let i = 0; i < 32; i++) if ((gone & (1 << i)) !== 0) this.#untilNs[i] = 0;
    this.#bits &= ~gone;
    this.#events.push(nowNs, EventCode.ERROR_CLEARED, gone, this.#bits);
  }

  /** Switches off what has been on for long enough. Once a tick. */
  expire(nowNs: number): void {
    if (this.#bits === 0) return;
    let gone = 0;
    for (let i = 0; i < 32; i++) {
      if ((this.#bits & (1 << i)) !== 0 && this.#untilNs[i]! <= nowNs) gone |= 1 << i;
    }
    this.clear(gone, nowNs);
  }
}
