import { MyelinError } from '../core/errors.ts';
import { monotonicNs, sleepUntilNs } from '../platform/clock.ts';
import { openTty, type Tty } from '../platform/tty.ts';
import type { CanBus, CanFrame } from './can.ts';
import { createStats } from './frame-record.ts';
import { LONGEST_SLCAN_FRAME, packSlcan, SlcanParser } from './slcan-parser.ts';

/** Bytes that may wait for the port; about 180 frames. Frames that do not fit are dropped, newest first. */
const OUTGOING_BYTES = 4096;
/** USB adapters ignore it; at an ordinary UART this is what 500 Hz of seven motors needs. */
export const DEFAULT_SLCAN_BAUD = 2_000_000;
const ANSWER_MS = 100;
const SETTLE_MS = 40;
const POLL_MS = 2;

export interface SlcanOptions {
  readonly baud?: number;
  /** Passes the time while the adapter answers. */
  readonly waitMs?: (ms: number) => void;
}

const sleepMs = (ms: number): void => sleepUntilNs(monotonicNs() + ms * 1e6);

/** A CAN adapter on a serial port that speaks slcan, opened at 1 Mbit/s. */
export class SlcanBus implements CanBus, Disposable {
  readonly name: string;
  readonly stats = createStats();
  readonly #tty: Tty;
  readonly #parser = new SlcanParser();
  readonly #incoming = new Uint8Array(4096);
  readonly #outgoing = new Uint8Array(OUTGOING_BYTES);
  #pending = 0;
  #gone = false;
  #closed = false;

  private constructor(tty: Tty) {
    this.name = `slcan:${tty.path}`;
    this.#tty = tty;
  }

  /** @throws MyelinError BUS_UNAVAILABLE */
  static open(path: string, { baud = DEFAULT_SLCAN_BAUD, waitMs = sleepMs }: SlcanOptions = {}): SlcanBus {
    const bus = new SlcanBus(openTty(path, baud));
    try {
      bus.#startAfresh(waitMs);
      if (!bus.#tell('S8', waitMs)) throw bus.#refused('does not take 1 Mbit/s');
      if (!bus.#tell('O', waitMs)) throw bus.#refused('does not open its channel');
    } catch (error) {
      bus.close();
      throw error;
    }
    return bus;
  }

  send(id: number, data: Uint8Array, length: number): boolean {
    this.#flush();
    if (this.#gone || this.#pending + LONGEST_SLCAN_FRAME > OUTGOING_BYTES) {
      this.stats.dropped += 1;
      return false;
    }
    this.#pending = packSlcan(id, data, length, this.#outgoing, this.#pending);
    this.stats.sent += 1;
    this.#flush();
    return true;
  }

  receive(frame: CanFrame): boolean {
    if (this.#parser.next(frame)) return true;
    this.#flush();
    this.#takeIn();
    return this.#parser.next(frame);
  }

  /** Closes the adapter's channel and the port. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#gone) {
      this.#pending = 0;
      this.#queueLine('C');
      this.#flush();
    }
    this.#gone = true;
    this.#tty.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #takeIn(): void {
    if (this.#gone) return;
    const count = this.#tty.read(this.#incoming);
    if (count < 0) {
      this.#lose();
    } else if (count > 0) {
      this.#parser.push(this.#incoming, count);
      const { frames, overrun, malformed, refusals } = this.#parser.counts;
      this.stats.received = frames;
      this.stats.errors = overrun + malformed + refusals;
    }
  }

  /** Hands as much as possible of what waits to the port. */
  #flush(): void {
    if (this.#pending === 0 || this.#gone) return;
    const written = this.#tty.write(this.#outgoing, this.#pending);
    if (written < 0) {
      this.#lose();
    } else if (written > 0) {
      this.#outgoing.copyWithin(0, written, this.#pending);
      this.#pending -= written;
    }
  }

  /** The adapter was unplugged. */
  #lose(): void {
    this.#gone = true;
    this.stats.errors += 1;
    this.stats.busOff = true;
  }

  /** Ends what was half typed and closes the channel; whether the adapter agrees to that does not matter. */
  #startAfresh(waitMs: (ms: number) => void): void {
    this.#queueLine('\rC');
    for (let waited = 0; waited < SETTLE_MS; waited += POLL_MS) {
      this.#flush();
      waitMs(POLL_MS);
      this.#takeIn();
    }
  }

  /** Gives the adapter a command. False when it refuses; an adapter that answers nothing is taken to agree. */
  #tell(command: string, waitMs: (ms: number) => void): boolean {
    const { counts } = this.#parser;
    const { refusals, agreements } = counts;
    this.#queueLine(command);
    for (let waited = 0; waited < ANSWER_MS; waited += POLL_MS) {
      this.#flush();
      waitMs(POLL_MS);
      this.#takeIn();
      if (this.#gone) throw this.#refused('was unplugged');
      if (counts.refusals > refusals) return false;
      if (counts.agreements > agreements) return true;
    }
    return true;
  }

  #queueLine(command: string): void {
    for (let i = 0; i < command.length; i++) this.#outgoing[this.#pending++] = command.charCodeAt(i);
    this.#outgoing[this.#pending++] = 0x0d;
  }

  #refused(what: string): MyelinError {
    return new MyelinError('BUS_UNAVAILABLE', {
      interface: this.name,
      reason: `the adapter ${what}`,
      advice: 'Check that it is a CAN adapter with slcan firmware, and unplug and plug it once.',
    });
  }
}
