import {
  EVENT_LAYOUT,
  EVENT_RECORD_BYTES,
  EVENT_RECORDS,
  EVENT_RECORDS_OFFSET,
  EVENTS_LAYOUT,
} from '../segment/arm-layout.ts';

const F64 = EVENT_RECORD_BYTES / 8;
const U32 = EVENT_RECORD_BYTES / 4;
const TIME = EVENT_LAYOUT.timeNs.offset / 8;
const CODE = EVENT_LAYOUT.code.offset / 4;
const DETAIL = EVENT_LAYOUT.detail.offset / 4;
const A = EVENT_LAYOUT.a.offset / 8;
const B = EVENT_LAYOUT.b.offset / 8;

class EventRing {
  readonly count: Uint32Array;
  readonly numbers: Float64Array;
  readonly words: Uint32Array;

  constructor(memory: ArrayBufferLike) {
    this.count = new Uint32Array(memory, EVENTS_LAYOUT.eventCount.offset, 1);
    this.numbers = new Float64Array(memory, EVENT_RECORDS_OFFSET, EVENT_RECORDS * F64);
    this.words = new Uint32Array(memory, EVENT_RECORDS_OFFSET, EVENT_RECORDS * U32);
  }
}

/** The loop's pen: writes events into the segment's ring. Allocates nothing, waits for nobody. */
export class EventWriter {
  readonly #ring: EventRing;

  constructor(memory: ArrayBufferLike) {
    this.#ring = new EventRing(memory);
  }

  /** Adds one event; the numbers mean what `event-codes.ts` says of `code`. */
  push(timeNs: number, code: number, detail = 0, a = 0, b = 0): void {
    const { count, numbers, words } = this.#ring;
    const place = count[0]! % EVENT_RECORDS;
    numbers[place * F64 + TIME] = timeNs;
    words[place * U32 + CODE] = code;
    words[place * U32 + DETAIL] = detail;
    numbers[place * F64 + A] = a;
    numbers[place * F64 + B] = b;
    Atomics.add(count, 0, 1);
  }
}

/** Something the loop noticed. */
export interface LoopEvent {
  readonly timeNs: number;
  readonly code: number;
  readonly detail: number;
  readonly a: number;
  readonly b: number;
}

/** Follows the ring from where the segment was opened, or from its beginning. */
export class EventReader {
  readonly #ring: EventRing;
  #next: number;
  #lost = 0;

  constructor(memory: ArrayBufferLike, from: 'beginning' | 'now' = 'beginning') {
    this.#ring = new EventRing(memory);
    this.#next = from === 'now' ? Atomics.load(this.#ring.count, 0) : 0;
  }

  /** Events that were overwritten before they were read. */
  get lost(): number {
    return this.#lost;
  }

  /** Events since the last call, oldest first. */
  read(): LoopEvent[] {
    const { count, numbers, words } = this.#ring;
    const events: LoopEvent[] = [];
    const end = Atomics.load(count, 0);
    while (this.#next < end) {
      const place = this.#next % EVENT_RECORDS;
      const event = {
        timeNs: numbers[place * F64 + TIME]!,
        code: words[place * U32 + CODE]!,
        detail: words[place * U32 + DETAIL]!,
        a: numbers[place * F64 + A]!,
        b: numbers[place * F64 + B]!,
      };
      // The writer may have come round while this was copied: then it is half of another event.
      const overwritten = Atomics.load(count, 0) - this.#next >= EVENT_RECORDS;
      if (overwritten) this.#lost += 1;
      else events.push(event);
      this.#next += 1;
    }
    return events;
  }
}
