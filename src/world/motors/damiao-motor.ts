import type { MotorReply } from '../bus/simulated-bus.ts';
import { Motor, type MotorOptions } from './motor.ts';
import type { MotorPlace } from './motor-data.ts';
import { fromWire, toWire } from './quantise.ts';

/** Upper half of the first byte of every feedback frame. */
export const DamiaoStatus = {
  DISABLED: 0,
  ENABLED: 1,
  OVER_CURRENT: 0xa,
  DRIVER_HOT: 0xb,
  WINDING_HOT: 0xc,
  HOST_LOST: 0xd,
} as const;
const STATUS_NAMES = new Map<number, string>([
  [DamiaoStatus.DISABLED, 'disabled'],
  [DamiaoStatus.ENABLED, 'enabled'],
  [DamiaoStatus.OVER_CURRENT, 'over-current'],
  [DamiaoStatus.DRIVER_HOT, 'driver over temperature'],
  [DamiaoStatus.WINDING_HOT, 'winding over temperature'],
  [DamiaoStatus.HOST_LOST, 'communication lost'],
]);

const CONFIG_ID = 0x7ff;
const READ = 0x33;
const WRITE = 0x55;
const STORE = 0xaa;
const REFRESH = 0xcc;
const ENABLE = 0xfc;
const DISABLE = 0xfd;
const SET_ZERO = 0xfe;
const CLEAR = 0xfb;

const KP_MAX = 500;
const KD_MAX = 5;
const MIT_MODE = 1;
/** Unit of the TIMEOUT register, ns. */
const TIMEOUT_UNIT_NS = 50_000;
const DRIVER_LIMIT_C = 100;

/** Registers that are kept; `u` = u32, `f` = float32. Writes change RAM at once. */
const REGISTERS: Readonly<Record<number, { readonly kind: 'u' | 'f'; readonly readOnly?: true }>> = {
  0: { kind: 'f' },
  1: { kind: 'f' },
  2: { kind: 'f' },
  3: { kind: 'f' },
  4: { kind: 'f' },
  5: { kind: 'f' },
  6: { kind: 'f' },
  7: { kind: 'u' },
  8: { kind: 'u' },
  9: { kind: 'u' },
  10: { kind: 'u' },
  13: { kind: 'u', readOnly: true },
  14: { kind: 'u', readOnly: true },
  16: { kind: 'u', readOnly: true },
  20: { kind: 'f', readOnly: true },
  21: { kind: 'f' },
  22: { kind: 'f' },
  23: { kind: 'f' },
  35: { kind: 'u' },
  36: { kind: 'u', readOnly: true },
  80: { kind: 'f', readOnly: true },
  81: { kind: 'f', readOnly: true },
};
const RID = { OT: 2, MST_ID: 7, ESC_ID: 8, TIMEOUT: 9, MODE: 10, PMAX: 21, VMAX: 22, TMAX: 23, BAUD: 35 };
const BAUD_1M = 4;

/**
 * A Damiao DM-J43xx in MIT mode. Commands come on its own id, register access on 0x7FF; everything it says goes
 * out on its master id (0 as ARX ships it), with its own id in the lower half of the first byte.
 */
export class DamiaoMotor extends Motor {
  readonly #registers = new Map<number, number>();
  readonly #word = new DataView(new ArrayBuffer(4));
  #enabled = false;
  #fault = 0;

  constructor(place: MotorPlace, options: MotorOptions = {}) {
    super(place, options);
    const { positionMaxRad, velocityMaxRadS, torqueMaxNm } = place.data;
    const values: [number, number][] = [
      [0, 15],
      [1, 0.424],
      [RID.OT, 100],
      [3, 0.9],
      [4, 500],
      [5, -500],
      [6, place.data.noLoadSpeedRadS],
      [RID.MST_ID, 0],
      [RID.ESC_ID, place.canId],
      [RID.TIMEOUT, this.timeoutNs / TIMEOUT_UNIT_NS],
      [RID.MODE, MIT_MODE],
      [13, 1],
      [14, 5013],
      [16, 14],
      [20, place.data.model === 'DM_J4340' ? 40 : 10],
      [RID.PMAX, positionMaxRad],
      [RID.VMAX, velocityMaxRadS],
      [RID.TMAX, torqueMaxNm],
      [RID.BAUD, BAUD_1M],
      [36, 1],
    ];
    for (const [register, value] of values) this.#registers.set(register, value);
  }

  accepts(id: number, data: Uint8Array, length: number): boolean {
    if (this.isDead) return false;
    if (id === this.canId) return length === 8;
    const isOurs = id === CONFIG_ID && length >= 4 && (data[0]! | (data[1]! << 8)) === this.canId;
    return isOurs && (data[2] === READ || data[2] === WRITE || data[2] === STORE || data[2] === REFRESH);
  }

  receive(id: number, data: Uint8Array, _length: number, nowNs: number, reply: MotorReply): number {
    reply.id = this.#read(RID.MST_ID);
    if (id === CONFIG_ID) return this.#configure(data, nowNs, reply.data);
    this.heard(nowNs);
    if (isSpecial(data)) this.#special(data[7]!);
    else if (this.isDriving && this.#read(RID.MODE) === MIT_MODE) this.#command(data);
    this.#feedback(nowNs, reply.data);
    return 8;
  }

  get statusNibble(): number {
    return this.#fault === 0 ? Number(this.#enabled) : this.#fault;
  }

  get status(): string {
    return this.isDead ? 'dead' : (STATUS_NAMES.get(this.statusNibble) ?? 'unknown');
  }

  protected get isDriving(): boolean {
    return this.#enabled && this.#fault === 0;
  }

  protected updateFaults(): void {
    if (this.#fault !== 0) return;
    if (this.hasLostHost) this.#trip(DamiaoStatus.HOST_LOST);
    else if (this.thermal.driverC > DRIVER_LIMIT_C) this.#trip(DamiaoStatus.DRIVER_HOT);
    else if (this.thermal.windingC > this.#read(RID.OT)) this.#trip(DamiaoStatus.WINDING_HOT);
  }

  #trip(fault: number): void {
    this.#fault = fault;
    this.#enabled = false;
    this.limp();
  }

  #special(command: number): void {
    switch (command) {
      case ENABLE:
        this.limp();
        this.#enabled = this.#fault === 0;
        return;
      case DISABLE:
        this.#enabled = false;
        this.limp();
        return;
      case SET_ZERO:
        this.zeroRad = this.shaftRad;
        return;
      case CLEAR:
        this.#fault = 0;
        this.hasLostHost = false;
        this.updateFaults();
        return;
    }
  }

  /** 16 bits position, 12 velocity, 12 stiffness, 12 damping, 12 torque. */
  #command(data: Uint8Array): void {
    const positionMax = this.#read(RID.PMAX);
    const velocityMax = this.#read(RID.VMAX);
    const torqueMax = this.#read(RID.TMAX);
    const drive = this.drive;
    drive.positionRad = fromWire((data[0]! << 8) | data[1]!, -positionMax, positionMax, 16);
    drive.velocityRadS = fromWire((data[2]! << 4) | (data[3]! >> 4), -velocityMax, velocityMax, 12);
    drive.kp = fromWire(((data[3]! & 15) << 8) | data[4]!, 0, KP_MAX, 12);
    drive.kd = fromWire((data[5]! << 4) | (data[6]! >> 4), 0, KD_MAX, 12);
    drive.torqueNm = fromWire(((data[6]! & 15) << 8) | data[7]!, -torqueMax, torqueMax, 12);
  }

  #feedback(nowNs: number, out: Uint8Array): void {
    const positionMax = this.#read(RID.PMAX);
    const velocityMax = this.#read(RID.VMAX);
    const torqueMax = this.#read(RID.TMAX);
    const position = toWire(this.positionRad(nowNs), -positionMax, positionMax, 16);
    const velocity = toWire(this.velocityRadS, -velocityMax, velocityMax, 12);
    const torque = toWire(this.torqueNm, -torqueMax, torqueMax, 12);
    out[0] = (this.statusNibble << 4) | (this.canId & 15);
    out[1] = position >> 8;
    out[2] = position & 255;
    out[3] = velocity >> 4;
    out[4] = ((velocity & 15) << 4) | (torque >> 8);
    out[5] = torque & 255;
    out[6] = toByte(this.thermal.driverC);
    out[7] = toByte(this.thermal.windingC);
  }

  /** Register access and the request for state. Answers are the same frame with the value in it. */
  #configure(data: Uint8Array, nowNs: number, out: Uint8Array): number {
    if (data[2] === REFRESH) {
      this.#feedback(nowNs, out);
      return 8;
    }
    const register = data[3]!;
    const description = REGISTERS[register];
    out.set(data);
    if (data[2] === STORE) return 8;
    if (description === undefined) return -1;
    if (data[2] === WRITE && description.readOnly !== true) this.#write(register, description.kind, data);
    this.#putValue(register, description.kind, out);
    return 8;
  }

  #write(register: number, kind: 'u' | 'f', data: Uint8Array): void {
    for (let i = 0; i < 4; i += 1) this.#word.setUint8(i, data[4 + i]!);
    const value = kind === 'u' ? this.#word.getUint32(0, true) : this.#word.getFloat32(0, true);
    this.#registers.set(register, value);
    if (register === RID.TIMEOUT) this.timeoutNs = value * TIMEOUT_UNIT_NS;
    if (register === RID.ESC_ID) this.canId = value;
  }

  #putValue(register: number, kind: 'u' | 'f', out: Uint8Array): void {
    const value = this.#read(register);
    if (kind === 'u') this.#word.setUint32(0, value, true);
    else this.#word.setFloat32(0, value, true);
    for (let i = 0; i < 4; i += 1) out[4 + i] = this.#word.getUint8(i);
  }

  #read(register: number): number {
    if (register === 80 || register === 81) return this.positionRad();
    return this.#registers.get(register) ?? 0;
  }
}

/** Seven FF and an order. */
const isSpecial = (data: Uint8Array): boolean => {
  for (let i = 0; i < 7; i += 1) if (data[i] !== 0xff) return false;
  return data[7]! >= CLEAR && data[7]! <= SET_ZERO;
};

const toByte = (celsius: number): number => Math.min(255, Math.max(0, Math.round(celsius)));
