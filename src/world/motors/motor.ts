import type { BusMotor, MotorReply } from '../bus/simulated-bus.ts';
import type { MotorData, MotorPlace } from './motor-data.ts';
import { Thermal } from './thermal.ts';

/** What a motor is doing to its shaft: torque = kp (position - q) + kd (velocity - q') + torque. */
export interface Drive {
  kp: number;
  kd: number;
  positionRad: number;
  velocityRadS: number;
  torqueNm: number;
}

export interface MotorOptions {
  /** Communication timeout the motor was shipped with, ms; 0 = none. Default 400. */
  readonly timeoutMs?: number;
  readonly ambientC?: number;
}

const DEFAULT_TIMEOUT_MS = 400;
const DEFAULT_AMBIENT_C = 28;
/** Share of the no-load speed up to which full peak torque is there. */
const FULL_TORQUE_SPEED = 0.55;
/** Damping a motor falls to when it hears nothing, as a share of rated torque per rad/s: short-circuited windings. */
const LOST_DAMPING_SHARE = 0.15;
const THERMAL_STEP_S = 0.02;
/** More than the wire's rounding of a zero torque. */
const PUSH_NM = 0.05;

/** What the simulation tells and asks; see {@link Motor.law}. */
export interface MotorLaw {
  offsetNm: number;
  kp: number;
  kd: number;
  lowNm: number;
  highNm: number;
}

/** A motor behind its protocol: shaft state, drive law, limits, temperature, and the clock of its own timeout. */
export abstract class Motor implements BusMotor {
  readonly joint: string;
  readonly data: MotorData;
  canId: number;
  readonly thermal: Thermal;
  /** Communication timeout in force, ns; 0 = none. */
  timeoutNs: number;
  /** Cut off from power: silent and limp. */
  isDead = false;
  /** Shaft, written by the simulation before frames are handled. */
  shaftRad = 0;
  velocityRadS = 0;
  torqueNm = 0;
  /** Shaft angle at which the motor reads zero. */
  protected zeroRad = 0;
  protected readonly drive: Drive = { kp: 0, kd: 0, positionRad: 0, velocityRadS: 0, torqueNm: 0 };
  protected hasLostHost = false;
  #heardNs = Number.NEGATIVE_INFINITY;
  #movedNs = 0;
  #squareSum = 0;
  #unheatedS = 0;

  constructor(place: MotorPlace, options: MotorOptions = {}) {
    this.joint = place.joint;
    this.data = place.data;
    this.canId = place.canId;
    this.timeoutNs = (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) * 1e6;
    this.thermal = new Thermal(place.data.ratedTorqueNm, options.ambientC ?? DEFAULT_AMBIENT_C);
  }

  abstract accepts(id: number, data: Uint8Array, length: number): boolean;
  abstract receive(id: number, data: Uint8Array, length: number, nowNs: number, reply: MotorReply): number;

  /** Whether the drive law is applied; else the shaft turns against friction and, on a lost host, damping. */
  protected abstract get isDriving(): boolean;
  /** Takes over temperatures and timeouts into the motor's own fault state. */
  protected abstract updateFaults(): void;
  /** For people: what state the motor is in. */
  abstract get status(): string;

  /** Angle as the motor reads it, rad: the simulation's last step carried on at its speed to `nowNs`. */
  positionRad(nowNs = this.#movedNs): number {
    const sinceS = Math.max(0, nowNs - this.#movedNs) / 1e9;
    return this.shaftRad + this.velocityRadS * sinceS - this.zeroRad;
  }

  /** Whether it pushes by itself: stiffness or feed-forward, not mere damping. */
  get isPushing(): boolean {
    return this.isDriving && (this.drive.kp > 0 || Math.abs(this.drive.torqueNm) > PUSH_NM);
  }

  /** A control frame came in: the timeout starts again. */
  protected heard(nowNs: number): void {
    this.#heardNs = nowNs;
  }

  protected limp(): void {
    Object.assign(this.drive, { kp: 0, kd: 0, positionRad: 0, velocityRadS: 0, torqueNm: 0 });
  }

  /** Watches the clock and fills in the law to integrate over the next step. */
  law(nowNs: number, out: MotorLaw): void {
    if (this.timeoutNs > 0 && this.isDriving && nowNs - this.#heardNs > this.timeoutNs) {
      this.hasLostHost = true;
      this.limp();
    }
    this.updateFaults();
    const { kp, kd, positionRad, velocityRadS, torqueNm } = this.drive;
    if (this.isDead) {
      out.offsetNm = out.kp = out.kd = 0;
    } else if (this.isDriving) {
      out.kp = kp;
      out.kd = kd;
      out.offsetNm = kp * (positionRad + this.zeroRad) + kd * velocityRadS + torqueNm;
    } else {
      out.offsetNm = out.kp = 0;
      out.kd = this.hasLostHost ? LOST_DAMPING_SHARE * this.data.ratedTorqueNm : 0;
    }
    this.#limitTorque(out);
  }

  /** Takes in what the shaft did over the `dtS` before `nowNs`. */
  moved(shaftRad: number, velocityRadS: number, torqueNm: number, dtS: number, nowNs: number): void {
    this.#movedNs = nowNs;
    this.shaftRad = shaftRad;
    this.velocityRadS = velocityRadS;
    this.torqueNm = torqueNm;
    this.#squareSum += torqueNm * torqueNm * dtS;
    this.#unheatedS += dtS;
    if (this.#unheatedS < THERMAL_STEP_S) return;
    this.thermal.advance(this.#squareSum / this.#unheatedS, this.#unheatedS);
    this.#squareSum = 0;
    this.#unheatedS = 0;
  }

  /** Peak torque, falling to none at the no-load speed; braking always has the peak. */
  #limitTorque(out: MotorLaw): void {
    const { peakTorqueNm, noLoadSpeedRadS } = this.data;
    const speed = Math.abs(this.velocityRadS) / noLoadSpeedRadS;
    const share = Math.min(1, Math.max(0, (1 - speed) / (1 - FULL_TORQUE_SPEED)));
    out.highNm = peakTorqueNm * (this.velocityRadS > 0 ? share : 1);
    out.lowNm = -peakTorqueNm * (this.velocityRadS < 0 ? share : 1);
  }
}
