import type { Motor, MotorLaw } from './motor.ts';

/** Frames as documentation prints them: hex pairs with spaces between. */
export const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.split(' '), (pair) => Number.parseInt(pair, 16));

/** One motor without a bus, for tests: what it is told, what it answers, and what law it follows then. */
export class MotorAtHand<M extends Motor> {
  readonly motor: M;
  /** The last answer. */
  readonly reply = { id: -1, data: new Uint8Array(8) };
  readonly #law: MotorLaw = { offsetNm: 0, kp: 0, kd: 0, lowNm: 0, highNm: 0 };

  constructor(motor: M) {
    this.motor = motor;
  }

  law = (nowNs = 0): MotorLaw => {
    this.motor.law(nowNs, this.#law);
    return this.#law;
  };

  /**
   * Sends it a frame; its answer, or undefined when it gives none.
   * @throws Error when the frame is not for it
   */
  say = (data: Uint8Array, id = this.motor.canId, nowNs = 0): Uint8Array | undefined => {
    if (!this.motor.accepts(id, data, data.length)) throw new Error(`the motor does not hear id ${id}`);
    const length = this.motor.receive(id, data, data.length, nowNs, this.reply);
    return length < 0 ? undefined : this.reply.data.slice(0, length);
  };
}
