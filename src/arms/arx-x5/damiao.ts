import { MotorFault } from '../driver.ts';
import {
  dequantise,
  type MotorCommand,
  type MotorFeedback,
  quantise,
  STEPS_12,
  STEPS_16,
} from './quantise.ts';

/**
 * Damiao DM-J43xx motors in MIT mode over classic CAN. Frame layouts are from the maker's public protocol:
 *
 * command, id = motor:  p[15:8] p[7:0] v[11:4] v[3:0]|kp[11:8] kp[7:0] kd[11:4] kd[3:0]|t[11:8] t[7:0]
 * feedback:             status|id  p[15:8] p[7:0] v[11:4] v[3:0]|t[11:8] t[7:0] T_driver T_rotor
 */

/** Full scale of position, velocity and torque: +-. The motor keeps them in registers 21 to 23. */
export interface DamiaoRanges {
  positionMaxRad: number;
  velocityMaxRadS: number;
  torqueMaxNm: number;
}

/** Last byte of the four commands that are FF seven times and then this. */
export const DamiaoCommand = { ENABLE: 0xfc, DISABLE: 0xfd, SET_ZERO: 0xfe, CLEAR_ERROR: 0xfb } as const;

export const DamiaoRegister = { TIMEOUT: 9, CONTROL_MODE: 10, PMAX: 21, VMAX: 22, TMAX: 23 } as const;

/** Status nibbles. */
export const DamiaoStatus = { DISABLED: 0, ENABLED: 1, COMMUNICATION_LOST: 0xd } as const;

/** Id that register requests to every motor go to. */
export const DAMIAO_REGISTER_ID = 0x7ff;

const KP_MAX = 500;
const KD_MAX = 5;
const READ = 0x33;
const WRITE = 0x55;
/** The TIMEOUT register counts in 50 us. */
const TIMEOUT_UNITS_PER_MS = 20;

/** Packs a command into eight bytes. Values out of range are clamped. */
export function packDamiao(command: MotorCommand, ranges: DamiaoRanges, out: Uint8Array): void {
  const { positionMaxRad, velocityMaxRadS, torqueMaxNm } = ranges;
  const p = quantise(command.positionRad, -positionMaxRad, positionMaxRad, STEPS_16);
  const v = quantise(command.velocityRadS, -velocityMaxRadS, velocityMaxRadS, STEPS_12);
  const kp = quantise(command.kp, 0, KP_MAX, STEPS_12);
  const kd = quantise(command.kd, 0, KD_MAX, STEPS_12);
  const t = quantise(command.torqueNm, -torqueMaxNm, torqueMaxNm, STEPS_12);
  out[0] = p >> 8;
  out[1] = p;
  out[2] = v >> 4;
  out[3] = ((v & 0xf) << 4) | (kp >> 8);
  out[4] = kp;
  out[5] = kd >> 4;
  out[6] = ((kd & 0xf) << 4) | (t >> 8);
  out[7] = t;
}

/** Unpacks a feedback frame. */
export function unpackDamiao(data: Uint8Array, ranges: DamiaoRanges, out: MotorFeedback): void {
  const { positionMaxRad, velocityMaxRadS, torqueMaxNm } = ranges;
  out.status = data[0]! >> 4;
  out.positionRad = dequantise((data[1]! << 8) | data[2]!, -positionMaxRad, positionMaxRad, STEPS_16);
  const v = (data[3]! << 4) | (data[4]! >> 4);
  out.velocityRadS = dequantise(v, -velocityMaxRadS, velocityMaxRadS, STEPS_12);
  const t = ((data[4]! & 0xf) << 8) | data[5]!;
  out.torqueNm = dequantise(t, -torqueMaxNm, torqueMaxNm, STEPS_12);
  out.driverTemperatureC = data[6]!;
  out.motorTemperatureC = data[7]!;
}

/** FF seven times and the command. */
export function packDamiaoCommand(command: number, out: Uint8Array): void {
  out.fill(0xff, 0, 7);
  out[7] = command;
}

/** Asks a motor for one register; goes to {@link DAMIAO_REGISTER_ID}. */
export function packDamiaoRead(motor: number, register: number, out: Uint8Array): void {
  out.fill(0, 0, 8);
  out[0] = motor & 0xff;
  out[1] = motor >> 8;
  out[2] = READ;
  out[3] = register;
}

/** True when a frame is the answer to a register request of this motor, and not feedback. */
export const isDamiaoRegister = (data: Uint8Array, motor: number): boolean =>
  data[0] === (motor & 0xff) && data[1] === motor >> 8 && (data[2] === READ || data[2] === WRITE);

/** Value of a float register in an answer frame. */
export const damiaoFloat = (data: Uint8Array): number =>
  new DataView(data.buffer, data.byteOffset, data.byteLength).getFloat32(4, true);

/** Value of an unsigned register in an answer frame. */
export const damiaoUint = (data: Uint8Array): number =>
  new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(4, true);

/** The TIMEOUT register in ms; 0 means the motor never gives up waiting for commands. */
export const damiaoTimeoutMs = (register: number): number => register / TIMEOUT_UNITS_PER_MS;

/** What a status nibble means, as MotorFault bits; 0 when all is well. */
export function damiaoFault(status: number): number {
  switch (status) {
    case DamiaoStatus.ENABLED:
      return 0;
    case DamiaoStatus.DISABLED:
      return MotorFault.DISABLED;
    case 5:
      return MotorFault.SENSOR;
    case 8:
      return MotorFault.OVER_VOLTAGE;
    case 9:
      return MotorFault.UNDER_VOLTAGE;
    case 0xa:
      return MotorFault.OVER_CURRENT;
    case 0xb:
    case 0xc:
      return MotorFault.OVER_TEMPERATURE;
    case DamiaoStatus.COMMUNICATION_LOST:
      return MotorFault.COMMUNICATION_LOST;
    case 0xe:
      return MotorFault.OVERLOAD;
    default:
      return MotorFault.OTHER;
  }
}
