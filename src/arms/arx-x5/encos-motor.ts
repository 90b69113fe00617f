import type { CanFrame } from '../../buses/can.ts';
import type { MotorDescription } from '../description.ts';
import {
  ENCOS_ASK_LENGTH,
  EncosParameter,
  type EncosRanges,
  encosAnswer,
  encosFault,
  encosUnits,
  isEncosFeedback,
  packEncos,
  packEncosAsk,
  unpackEncos,
} from './encos.ts';
import { type Motor, Questions, type SendFrame } from './motor.ts';
import { createMotorCommand, createMotorFeedback, type MotorCommand } from './quantise.ts';

/** The maker's data sheet for an EC-A4310 P2, and what ARX's own SDK assumes. */
const ASSUMED: EncosRanges = {
  positionMaxRad: 12.5,
  velocityMaxRadS: 18,
  torqueMaxNm: 30,
  currentMaxA: 30,
  kpMax: 500,
  kdMax: 5,
};

const RANGE_OF: readonly (readonly [number, keyof EncosRanges])[] = [
  [EncosParameter.KP_MAX, 'kpMax'],
  [EncosParameter.KD_MAX, 'kdMax'],
  [EncosParameter.POSITION_MAX, 'positionMaxRad'],
  [EncosParameter.VELOCITY_MAX, 'velocityMaxRadS'],
  [EncosParameter.TORQUE_MAX, 'torqueMaxNm'],
  [EncosParameter.CURRENT_MAX, 'currentMaxA'],
];
const CODES = [EncosParameter.CAN_TIMEOUT, ...RANGE_OF.map(([code]) => code)];
const LIMP = createMotorCommand();

/** An Encos EC-A4310: no enabling, no latched errors; it only ever answers. */
export class EncosMotor implements Motor {
  readonly description: MotorDescription;
  readonly feedback = createMotorFeedback();
  readonly #ranges: EncosRanges = { ...ASSUMED };
  readonly #questions = new Questions(CODES);
  readonly #bytes = new Uint8Array(8);
  #timeoutMs: number | undefined;
  #scalesTold = 0;

  constructor(description: MotorDescription) {
    this.description = description;
  }

  get scales() {
    const { positionMaxRad, velocityMaxRadS, torqueMaxNm } = this.#ranges;
    const told = this.#scalesTold === RANGE_OF.length;
    return { positionMaxRad, velocityMaxRadS, torqueMaxNm, told, communicationTimeoutMs: this.#timeoutMs };
  }

  pack(command: MotorCommand, out: Uint8Array): void {
    packEncos(command, this.#ranges, out);
  }

  take(frame: CanFrame): boolean {
    if (isEncosFeedback(frame.data, frame.length)) {
      unpackEncos(frame.data, this.#ranges, this.feedback);
      return true;
    }
    this.#learn(frame);
    return false;
  }

  fault(): number {
    return encosFault(this.feedback.status);
  }

  clearError(): void {
    // Nothing latches: an error code goes away with its cause.
  }

  enable(send: SendFrame): void {
    packEncos(LIMP, this.#ranges, this.#bytes);
    send(this.description.canId, this.#bytes, 8);
  }

  ask(send: SendFrame): boolean {
    const code = this.#questions.next();
    if (code === undefined) return false;
    packEncosAsk(code, this.#bytes);
    send(this.description.canId, this.#bytes, ENCOS_ASK_LENGTH);
    return true;
  }

  #learn({ data, length }: CanFrame): void {
    const code = data[1]!;
    const value = encosAnswer(data, length, code);
    if (value === undefined || !this.#questions.answer(code)) return;
    if (code === EncosParameter.CAN_TIMEOUT) {
      this.#timeoutMs = value;
      return;
    }
    const range = RANGE_OF.find(([candidate]) => candidate === code);
    if (range === undefined || value === 0) return;
    this.#ranges[range[1]] = value / encosUnits(code);
    this.#scalesTold += 1;
  }
}
