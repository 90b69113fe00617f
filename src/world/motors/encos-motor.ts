import type { MotorReply } from '../bus/simulated-bus.ts';
import { Motor, type MotorOptions } from './motor.ts';
import type { MotorPlace } from './motor-data.ts';
import { fromWire, toWire } from './quantise.ts';

/** Lower five bits of the first feedback byte. */
export const EncosError = { NONE: 0, OVER_TEMPERATURE: 1, TEMPERATURE_WARNING: 8 } as const;

const CONFIG_ID = 0x7ff;
const MODE_PVT = 0;
const MODE_SET = 6;
const MODE_GET = 7;
const FEEDBACK = 1 << 5;
const PARAMETER = 5 << 5;

const WARNING_C = 90;
const LIMIT_C = 110;
const AMPERE_PER_NM_SCALE = 100;
const KT_NM_PER_A = 1.4;

/** Codes of `get parameter`, and the code of `set parameter` that writes the same thing. */
const GET = {
  POSITION: 1,
  SPEED: 2,
  CURRENT: 3,
  POWER: 4,
  KT: 22,
  FIRST_RANGE: 23,
  VERSION: 30,
  TIMEOUT: 31,
  BRAKE: 37,
};
const SET = { KT: 0x04, FIRST_RANGE: 0x05, TIMEOUT: 0x0b };
/** Ranges in the order of their codes: stiffness, damping, position, velocity, torque, current; and their units. */
const RANGE_SCALES = [1, 1, 100, 100, 10, 10] as const;
const VERSION = 0x0203;

/**
 * An Encos EC-A4310-P2. It has no enable: each force-position command drives it, and it speaks only when spoken to.
 * Big-endian; commands and answers share its id. Torque is in Nm, feedback is motor current in A.
 */
export class EncosMotor extends Motor {
  readonly #ranges: { min: number; max: number }[];
  readonly #word = new DataView(new ArrayBuffer(8));
  #ktNmPerA = KT_NM_PER_A;
  #isDriven = false;
  #error: number = EncosError.NONE;

  constructor(place: MotorPlace, options: MotorOptions = {}) {
    super(place, options);
    const { positionMaxRad, velocityMaxRadS, torqueMaxNm } = place.data;
    this.#ranges = [
      { min: 0, max: 500 },
      { min: 0, max: 5 },
      { min: -positionMaxRad, max: positionMaxRad },
      { min: -velocityMaxRadS, max: velocityMaxRadS },
      { min: -torqueMaxNm, max: torqueMaxNm },
      { min: -30, max: 30 },
    ];
  }

  accepts(id: number, data: Uint8Array, length: number): boolean {
    if (this.isDead) return false;
    if (id === this.canId) return length >= 2;
    if (id !== CONFIG_ID || (length !== 4 && length !== 6) || data[2] !== 0) return false;
    const address = (data[0]! << 8) | data[1]!;
    return address === this.canId || (address === 0xffff && data[3] === 0x82);
  }

  receive(id: number, data: Uint8Array, length: number, nowNs: number, reply: MotorReply): number {
    reply.id = id;
    if (id === CONFIG_ID) return this.#configure(data, reply.data);
    switch (data[0]! >> 5) {
      case MODE_PVT:
        if (length !== 8) return -1;
        this.heard(nowNs);
        this.hasLostHost = false;
        this.#command(data);
        return this.#feedback(nowNs, reply.data);
      case MODE_SET:
        return this.#setParameter(data, length, reply.data);
      case MODE_GET:
        return this.#getParameter(data[1]!, reply.data);
      default:
        return -1;
    }
  }

  get error(): number {
    return this.#error;
  }

  get status(): string {
    if (this.isDead) return 'dead';
    if (this.#error === EncosError.OVER_TEMPERATURE) return 'over temperature';
    if (this.hasLostHost) return 'communication lost';
    if (this.#error === EncosError.TEMPERATURE_WARNING) return 'warm';
    return this.#isDriven ? 'driven' : 'idle';
  }

  protected get isDriving(): boolean {
    return this.#isDriven && !this.hasLostHost && this.#error !== EncosError.OVER_TEMPERATURE;
  }

  protected updateFaults(): void {
    const hottest = Math.max(this.thermal.windingC, this.thermal.driverC);
    // Once too hot it stays off until it has cooled below the warning.
    if (hottest > LIMIT_C) this.#error = EncosError.OVER_TEMPERATURE;
    else if (hottest < WARNING_C) this.#error = EncosError.NONE;
    else if (this.#error === EncosError.NONE) this.#error = EncosError.TEMPERATURE_WARNING;
    if (this.hasLostHost) this.#isDriven = false;
  }

  /** 3 bits mode, 12 stiffness, 9 damping, 16 position, 12 velocity, 12 torque. */
  #command(data: Uint8Array): void {
    const kp = ((data[0]! & 0x1f) << 7) | (data[1]! >> 1);
    const kd = ((data[1]! & 1) << 8) | data[2]!;
    const velocity = (data[5]! << 4) | (data[6]! >> 4);
    const torque = ((data[6]! & 15) << 8) | data[7]!;
    const drive = this.drive;
    drive.kp = this.#fromWire(kp, 0, 12);
    drive.kd = this.#fromWire(kd, 1, 9);
    drive.positionRad = this.#fromWire((data[3]! << 8) | data[4]!, 2, 16);
    drive.velocityRadS = this.#fromWire(velocity, 3, 12);
    drive.torqueNm = this.#fromWire(torque, 4, 12);
    this.#isDriven = true;
  }

  #feedback(nowNs: number, out: Uint8Array): number {
    const position = this.#toWire(this.positionRad(nowNs), 2, 16);
    const velocity = this.#toWire(this.velocityRadS, 3, 12);
    const current = this.#toWire(this.torqueNm / this.#ktNmPerA, 5, 12);
    out[0] = FEEDBACK | this.#error;
    out[1] = position >> 8;
    out[2] = position & 255;
    out[3] = velocity >> 4;
    out[4] = ((velocity & 15) << 4) | (current >> 8);
    out[5] = current & 255;
    out[6] = toTemperatureByte(this.thermal.windingC);
    out[7] = toTemperatureByte(this.thermal.driverC);
    return 8;
  }

  #getParameter(code: number, out: Uint8Array): number {
    out.fill(0);
    out[0] = PARAMETER;
    out[1] = code;
    const view = this.#word;
    const range = this.#ranges[code - GET.FIRST_RANGE];
    let bytes = 2;
    if (range !== undefined) {
      const scale = RANGE_SCALES[code - GET.FIRST_RANGE]!;
      view.setInt16(0, Math.round(range.min * scale));
      view.setInt16(2, Math.round(range.max * scale));
      bytes = 4;
    } else if (code === GET.TIMEOUT) view.setUint16(0, Math.round(this.timeoutNs / 1e6));
    else if (code === GET.KT) view.setUint16(0, Math.round(this.#ktNmPerA * AMPERE_PER_NM_SCALE));
    else if (code === GET.VERSION) view.setUint16(0, VERSION);
    else if (code === GET.BRAKE) view.setUint16(0, 0);
    else if (code >= GET.POSITION && code <= GET.POWER) {
      view.setFloat32(0, this.#measurement(code));
      bytes = 4;
    } else return -1;
    for (let i = 0; i < bytes; i += 1) out[2 + i] = view.getUint8(i);
    return 2 + bytes;
  }

  /** Degrees, turns a minute, A, W. */
  #measurement(code: number): number {
    const current = this.torqueNm / this.#ktNmPerA;
    if (code === GET.POSITION) return (this.positionRad() * 180) / Math.PI;
    if (code === GET.SPEED) return (this.velocityRadS * 30) / Math.PI;
    return code === GET.CURRENT ? current : Math.abs(this.torqueNm * this.velocityRadS) + 0.4 * current ** 2;
  }

  #setParameter(data: Uint8Array, length: number, out: Uint8Array): number {
    const view = this.#word;
    for (let i = 0; i < 8; i += 1) view.setUint8(i, i < length ? data[i]! : 0);
    const code = data[1]!;
    const range = this.#ranges[code - SET.FIRST_RANGE];
    if (range !== undefined && length === 6) {
      const scale = RANGE_SCALES[code - SET.FIRST_RANGE]!;
      range.min = view.getInt16(2) / scale;
      range.max = view.getInt16(4) / scale;
    } else if (code === SET.TIMEOUT && length === 4) this.timeoutNs = view.getUint16(2) * 1e6;
    else if (code === SET.KT && length === 4) this.#ktNmPerA = view.getUint16(2) / AMPERE_PER_NM_SCALE;
    else return -1;
    // The lowest bit of the first byte asks for an acknowledgement.
    if ((data[0]! & 1) === 0) return -1;
    out.fill(0);
    out[0] = 0xff;
    out[1] = 0xfe;
    out[2] = code;
    return 3;
  }

  #configure(data: Uint8Array, out: Uint8Array): number {
    const command = data[3]!;
    out.fill(0);
    if (command === 0x82) {
      out.set([0xff, 0xff, 0x01, this.canId >> 8, this.canId & 255]);
      return 5;
    }
    if (command === 0x03) this.zeroRad = this.shaftRad;
    else if (command === 0x04) this.canId = (data[4]! << 8) | data[5]!;
    else if (command !== 0x02 && command !== 0x81) return -1;
    // Query mode is the only one it knows; it answers what it is asked: mode 2.
    out.set([data[0]!, data[1]!, 0x01, command === 0x81 ? 0x02 : command]);
    return 4;
  }

  #fromWire(word: number, range: number, bits: number): number {
    const { min, max } = this.#ranges[range]!;
    return fromWire(word, min, max, bits);
  }

  #toWire(value: number, range: number, bits: number): number {
    const { min, max } = this.#ranges[range]!;
    return toWire(value, min, max, bits);
  }
}

const toTemperatureByte = (celsius: number): number =>
  Math.min(255, Math.max(0, Math.round(2 * celsius + 50)));
