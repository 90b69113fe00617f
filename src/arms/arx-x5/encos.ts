import { MotorFault } from '../driver.ts';
import {
  dequantise,
  type MotorCommand,
  type MotorFeedback,
  quantise,
  STEPS_9,
  STEPS_12,
  STEPS_16,
} from './quantise.ts';

/**
 * Encos EC-A4310 motors over classic CAN, force-position mode (mode 0). Frame layouts are from the maker's
 * public protocol:
 *
 * command, id = motor, 64 bits from the top:  mode(3)=0 kp(12) kd(9) p(16) v(12) t(12)
 * feedback, same id:  type(3)=1|error(5)  p[15:8] p[7:0] v[11:4] v[3:0]|i[11:8] i[7:0] T_motor T_driver
 *
 * There is no enabling: every command drives the motor, and kp = kd = t = 0 leaves it limp. It answers commands
 * and says nothing on its own.
 */

/** Full scale of position, velocity, torque and current: +-, and of the gains: from 0. */
export interface EncosRanges {
  positionMaxRad: number;
  velocityMaxRadS: number;
  torqueMaxNm: number;
  currentMaxA: number;
  kpMax: number;
  kdMax: number;
}

/** Codes of the parameters that can be asked for. */
export const EncosParameter = {
  KP_MAX: 23,
  KD_MAX: 24,
  POSITION_MAX: 25,
  VELOCITY_MAX: 26,
  TORQUE_MAX: 27,
  CURRENT_MAX: 28,
  CAN_TIMEOUT: 31,
} as const;

/** Nm per ampere, at the output. */
const TORQUE_CONSTANT = 1.4;
const FEEDBACK_TYPE = 1;
const ASK = 0xe0;
const ANSWER = 0xa0;

/** Packs a command into eight bytes. Values out of range are clamped. */
export function packEncos(command: MotorCommand, ranges: EncosRanges, out: Uint8Array): void {
  const { positionMaxRad, velocityMaxRadS, torqueMaxNm } = ranges;
  const kp = quantise(command.kp, 0, ranges.kpMax, STEPS_12);
  const kd = quantise(command.kd, 0, ranges.kdMax, STEPS_9);
  const p = quantise(command.positionRad, -positionMaxRad, positionMaxRad, STEPS_16);
  const v = quantise(command.velocityRadS, -velocityMaxRadS, velocityMaxRadS, STEPS_12);
  const t = quantise(command.torqueNm, -torqueMaxNm, torqueMaxNm, STEPS_12);
  out[0] = kp >> 7;
  out[1] = ((kp & 0x7f) << 1) | (kd >> 8);
  out[2] = kd;
  out[3] = p >> 8;
  out[4] = p;
  out[5] = v >> 4;
  out[6] = ((v & 0xf) << 4) | (t >> 8);
  out[7] = t;
}

/** True when a frame is type 1 feedback, the answer to a command. */
export const isEncosFeedback = (data: Uint8Array, length: number): boolean =>
  length === 8 && data[0]! >> 5 === FEEDBACK_TYPE;

/** Unpacks a type 1 feedback frame. */
export function unpackEncos(data: Uint8Array, ranges: EncosRanges, out: MotorFeedback): void {
  const { positionMaxRad, velocityMaxRadS, currentMaxA } = ranges;
  out.status = data[0]! & 0x1f;
  out.positionRad = dequantise((data[1]! << 8) | data[2]!, -positionMaxRad, positionMaxRad, STEPS_16);
  const v = (data[3]! << 4) | (data[4]! >> 4);
  out.velocityRadS = dequantise(v, -velocityMaxRadS, velocityMaxRadS, STEPS_12);
  const i = ((data[4]! & 0xf) << 8) | data[5]!;
  out.torqueNm = dequantise(i, -currentMaxA, currentMaxA, STEPS_12) * TORQUE_CONSTANT;
  out.motorTemperatureC = (data[6]! - 50) / 2;
  out.driverTemperatureC = (data[7]! - 50) / 2;
}

/** Bytes of a parameter request. */
export const ENCOS_ASK_LENGTH = 2;

/** Asks the motor for one parameter; goes to the motor's own id. */
export function packEncosAsk(parameter: number, out: Uint8Array): void {
  out[0] = ASK;
  out[1] = parameter;
}

/**
 * Value of a parameter in an answer frame, or undefined when the frame is no answer about it. Numbers are
 * big-endian; of an answer that gives a range, the last one is its top.
 */
export function encosAnswer(data: Uint8Array, length: number, parameter: number): number | undefined {
  if (length < 4 || data[0] !== ANSWER || data[1] !== parameter) return undefined;
  return (data[length - 2]! << 8) | data[length - 1]!;
}

/** How many of a parameter's units make one: position and velocity come in hundredths, forces in tenths. */
export const encosUnits = (parameter: number): number => {
  switch (parameter) {
    case EncosParameter.POSITION_MAX:
    case EncosParameter.VELOCITY_MAX:
      return 100;
    case EncosParameter.TORQUE_MAX:
    case EncosParameter.CURRENT_MAX:
      return 10;
    default:
      return 1;
  }
};

/** What an error code means, as MotorFault bits; 0 when all is well. A temperature warning (8) is not a fault yet. */
export function encosFault(error: number): number {
  switch (error) {
    case 0:
    case 8:
      return 0;
    case 1:
      return MotorFault.OVER_TEMPERATURE;
    case 2:
      return MotorFault.OVER_CURRENT;
    case 3:
    case 6:
      return MotorFault.OVER_VOLTAGE;
    case 4:
      return MotorFault.UNDER_VOLTAGE;
    case 5:
      return MotorFault.SENSOR;
    default:
      return MotorFault.OTHER;
  }
}
