import type { CanFrame } from '../../buses/can.ts';
import type { MotorDescription } from '../description.ts';
import type { MotorCommand, MotorFeedback } from './quantise.ts';

/** Queues one frame; false when the bus did not take it. */
export type SendFrame = (id: number, data: Uint8Array, length: number) => boolean;

/** One motor on the bus: its protocol, the scales it works with, and what it said last. */
export interface Motor {
  readonly description: MotorDescription;
  readonly feedback: MotorFeedback;
  readonly scales: MotorScales;

  /** Packs a command into the eight bytes of `out`. Allocates nothing. */
  pack(command: MotorCommand, out: Uint8Array): void;
  /**
   * Takes in a frame that was routed to this motor. True when it was feedback, now in `feedback`;
   * false when it answered a question or meant nothing. Allocates nothing for feedback.
   */
  take(frame: CanFrame): boolean;
  /** `MotorFault` bits of the last feedback. */
  fault(): number;

  /** Clears a latched error, where the motor latches errors. */
  clearError(send: SendFrame): void;
  /** Makes the motor listen to commands, where it needs that. */
  enable(send: SendFrame): void;
  /** Sends the next question about scales and timeout that is still open. False when none is. */
  ask(send: SendFrame): boolean;
}

export interface MotorScales {
  readonly positionMaxRad: number;
  readonly velocityMaxRadS: number;
  readonly torqueMaxNm: number;
  /** True when the motor told all of its scales itself. */
  readonly told: boolean;
  /** ms; 0 = never, undefined = it did not say. */
  readonly communicationTimeoutMs: number | undefined;
}

/** How often a question is put before it is given up: a register may be missing in an older firmware. */
const TRIES = 3;

/** The questions a motor is asked once, with how often each was put and whether it was answered. */
export class Questions {
  readonly #codes: readonly number[];
  readonly #tries: number[];
  readonly #answered: boolean[];

  constructor(codes: readonly number[]) {
    this.#codes = codes;
    this.#tries = codes.map(() => 0);
    this.#answered = codes.map(() => false);
  }

  /** The next code to ask for, counted as one try; undefined when all are answered or given up. */
  next(): number | undefined {
    const index = this.#codes.findIndex((_, i) => !this.#answered[i] && this.#tries[i]! < TRIES);
    if (index < 0) return undefined;
    this.#tries[index]! += 1;
    return this.#codes[index];
  }

  /** Marks a code as answered. False when it was never asked or is answered already. */
  answer(code: number): boolean {
    const index = this.#codes.indexOf(code);
    if (index < 0 || this.#answered[index] || this.#tries[index] === 0) return false;
    this.#answered[index] = true;
    return true;
  }

  isAnswered(code: number): boolean {
    return this.#answered[this.#codes.indexOf(code)] === true;
  }

  /** True while at least one question was put and is neither answered nor given up. */
  get open(): boolean {
    return this.#answered.some((answered, i) => !answered && this.#tries[i]! > 0);
  }
}
