import type { CanFrame } from './can.ts';

/** Frames that may wait; 30 ms of a full bus. When more come, the oldest are lost: newest feedback counts. */
const QUEUE = 512;
/** Longest line an adapter sends: an extended frame of eight bytes with a time stamp. */
const LONGEST_LINE = 31;
const CARRIAGE_RETURN = 0x0d;
const BELL = 0x07;
const DATA_FRAME = 0x74; // t
const HEADER = 5;

export interface SlcanCounts {
  /** Data frames taken in. */
  frames: number;
  /** Data frames lost because nobody fetched them. */
  overrun: number;
  /** Lines that begin like a data frame and are none, and lines too long. */
  malformed: number;
  /** Bells: the adapter refused something. */
  refusals: number;
  /** Empty lines: the adapter agreed. */
  agreements: number;
}

/**
 * The receiving half of the serial-line CAN protocol (Lawicel, slcan): lines of ASCII, each ended by a carriage
 * return. `tIIILDD...` is a data frame with an 11-bit id, a bell a refusal. Bytes may come in any portions;
 * memory is fixed and nothing is allocated.
 */
export class SlcanParser {
  readonly counts: SlcanCounts = { frames: 0, overrun: 0, malformed: 0, refusals: 0, agreements: 0 };
  readonly #line = new Uint8Array(LONGEST_LINE);
  #length = 0;
  readonly #ids = new Uint16Array(QUEUE);
  readonly #lengths = new Uint8Array(QUEUE);
  readonly #data = new Uint8Array(QUEUE * 8);
  readonly #scratch = new Uint8Array(8);
  #head = 0;
  #waiting = 0;

  /** Takes in the first `count` bytes. */
  push(bytes: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) {
      const byte = bytes[i]!;
      if (byte === BELL) {
        this.counts.refusals += 1;
        this.#length = 0;
      } else if (byte === CARRIAGE_RETURN) {
        this.#endLine();
        this.#length = 0;
      } else {
        // Past the end only the length grows, which marks the line as too long.
        if (this.#length < LONGEST_LINE) this.#line[this.#length] = byte;
        this.#length = Math.min(this.#length + 1, LONGEST_LINE + 1);
      }
    }
  }

  /** Moves the oldest frame into `frame`. False when none waits. */
  next(frame: CanFrame): boolean {
    if (this.#waiting === 0) return false;
    const slot = this.#head;
    this.#head = (slot + 1) % QUEUE;
    this.#waiting -= 1;
    frame.id = this.#ids[slot]!;
    frame.length = this.#lengths[slot]!;
    for (let i = 0; i < 8; i++) frame.data[i] = this.#data[slot * 8 + i]!;
    return true;
  }

  #endLine(): void {
    if (this.#length === 0) {
      this.counts.agreements += 1;
    } else if (this.#length > LONGEST_LINE) {
      this.counts.malformed += 1;
    } else if (this.#line[0] === DATA_FRAME && !this.#takeFrame()) {
      this.counts.malformed += 1;
    }
    // Other lines answer questions nobody asked, or are frames with long ids, which no motor here sends.
  }

  /** Queues the frame in the line; false when it is not one. A time stamp of four digits may follow. */
  #takeFrame(): boolean {
    const id = this.#hex(1, 3);
    const length = this.#hex(4, 1);
    const end = HEADER + 2 * length;
    if (id < 0 || id > 0x7ff || length < 0 || length > 8) return false;
    if (this.#length !== end && this.#length !== end + 4) return false;
    const slot = (this.#head + this.#waiting) % QUEUE;
    for (let i = 0; i < 8; i++) {
      const byte = i < length ? this.#hex(HEADER + 2 * i, 2) : 0;
      if (byte < 0) return false;
      this.#scratch[i] = byte;
    }
    this.#ids[slot] = id;
    this.#lengths[slot] = length;
    this.#data.set(this.#scratch, slot * 8);
    this.counts.frames += 1;
    if (this.#waiting < QUEUE) {
      this.#waiting += 1;
    } else {
      this.#head = (this.#head + 1) % QUEUE;
      this.counts.overrun += 1;
    }
    return true;
  }

  /** `digits` hexadecimal digits of the line as a number; -1 when they are not all there. */
  #hex(from: number, digits: number): number {
    if (from + digits > this.#length) return -1;
    let value = 0;
    for (let i = from; i < from + digits; i++) {
      const digit = hexDigit(this.#line[i]!);
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

const HEX = new TextEncoder().encode('0123456789ABCDEF');

/** Longest line {@link packSlcan} writes. */
export const LONGEST_SLCAN_FRAME = HEADER + 16 + 1;

/** Writes a data frame as a line into `out` from `at`; returns where it ends. */
export function packSlcan(id: number, data: Uint8Array, length: number, out: Uint8Array, at: number): number {
  out[at++] = DATA_FRAME;
  out[at++] = HEX[(id >> 8) & 0xf]!;
  out[at++] = HEX[(id >> 4) & 0xf]!;
  out[at++] = HEX[id & 0xf]!;
  out[at++] = HEX[length]!;
  for (let i = 0; i < length; i++) {
    out[at++] = HEX[data[i]! >> 4]!;
    out[at++] = HEX[data[i]! & 0xf]!;
  }
  out[at++] = CARRIAGE_RETURN;
  return at;
}
