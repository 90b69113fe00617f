import type { CanFrame } from '../../buses/can.ts';
import type { MotorDescription } from '../description.ts';
import {
  DAMIAO_REGISTER_ID,
  DamiaoCommand,
  type DamiaoRanges,
  DamiaoRegister,
  damiaoFault,
  damiaoFloat,
  damiaoTimeoutMs,
  damiaoUint,
  isDamiaoRegister,
  packDamiao,
  packDamiaoCommand,
  packDamiaoRead,
  unpackDamiao,
} from './damiao.ts';
import { type Motor, Questions, type SendFrame } from './motor.ts';
import { createMotorFeedback, type MotorCommand } from './quantise.ts';

/**
 * Used when the motor does not tell: what ARX's own SDK assumes for every Damiao motor on these arms. They are
 * larger than the maker's data sheet says (30 rad/s and 10 Nm for a 4310), so a wrong guess makes feed-forward
 * torque weaker, never stronger.
 */
const ASSUMED: DamiaoRanges = { positionMaxRad: 12.5, velocityMaxRadS: 45, torqueMaxNm: 18 };

/** A register value beyond this is not a scale. */
const LARGEST_SCALE = 1000;

/** A Damiao DM-J43xx: enabled by command, errors latched, scales and timeout in registers. */
export class DamiaoMotor implements Motor {
  readonly description: MotorDescription;
  readonly feedback = createMotorFeedback();
  readonly #ranges: DamiaoRanges = { ...ASSUMED };
  readonly #questions = new Questions([
    DamiaoRegister.PMAX,
    DamiaoRegister.VMAX,
    DamiaoRegister.TMAX,
    DamiaoRegister.TIMEOUT,
  ]);
  readonly #bytes = new Uint8Array(8);
  #timeoutMs: number | undefined;
  #scalesTold = 0;

  constructor(description: MotorDescription) {
    this.description = description;
  }

  get scales() {
    return { ...this.#ranges, told: this.#scalesTold === 3, communicationTimeoutMs: this.#timeoutMs };
  }

  pack(command: MotorCommand, out: Uint8Array): void {
    packDamiao(command, this.#ranges, out);
  }

  take(frame: CanFrame): boolean {
    // An answer could be taken for feedback of a disabled motor at -12.5 rad, where no joint can be; so it
    // counts as an answer only while a question is open.
    if (this.#questions.open && isDamiaoRegister(frame.data, this.description.canId)) {
      this.#learn(frame.data);
      return false;
    }
    unpackDamiao(frame.data, this.#ranges, this.feedback);
    return true;
  }

  fault(): number {
    return damiaoFault(this.feedback.status);
  }

  clearError(send: SendFrame): void {
    packDamiaoCommand(DamiaoCommand.CLEAR_ERROR, this.#bytes);
    send(this.description.canId, this.#bytes, 8);
  }

  enable(send: SendFrame): void {
    packDamiaoCommand(DamiaoCommand.ENABLE, this.#bytes);
    send(this.description.canId, this.#bytes, 8);
  }

  ask(send: SendFrame): boolean {
    const register = this.#questions.next();
    if (register === undefined) return false;
    packDamiaoRead(this.description.canId, register, this.#bytes);
    send(DAMIAO_REGISTER_ID, this.#bytes, 8);
    return true;
  }

  #learn(data: Uint8Array): void {
    const register = data[3]!;
    if (!this.#questions.answer(register)) return;
    if (register === DamiaoRegister.TIMEOUT) {
      this.#timeoutMs = damiaoTimeoutMs(damiaoUint(data));
      return;
    }
    const scale = damiaoFloat(data);
    if (!(scale > 0 && scale < LARGEST_SCALE)) return;
    this.#scalesTold += 1;
    if (register === DamiaoRegister.PMAX) this.#ranges.positionMaxRad = scale;
    else if (register === DamiaoRegister.VMAX) this.#ranges.velocityMaxRadS = scale;
    else this.#ranges.torqueMaxNm = scale;
  }
}
