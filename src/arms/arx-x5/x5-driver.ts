import { busLoad } from '../../buses/bus-load.ts';
import { type CanBus, createCanFrame } from '../../buses/can.ts';
import { type ArmDescription, gripperRatio, type MotorDescription } from '../description.ts';
import type { ArmCommand, ArmDriver, ArmReport, ArmState, MotorReport } from '../driver.ts';
import { wake } from './connect.ts';
import { DamiaoMotor } from './damiao-motor.ts';
import { EncosMotor } from './encos-motor.ts';
import type { Motor } from './motor.ts';
import { createMotorCommand } from './quantise.ts';

export interface X5DriverOptions {
  /** Control rate the bus load warning is about, Hz. Default: the description's. */
  readonly controlFrequencyHz?: number;
}

/** Damiao motors answer on this id and say who they are in the frame. */
const DAMIAO_REPLY_ID = 0;
const STANDARD_IDS = 0x800;
const NOBODY = -1;
/** Frames taken in one read; a bus at 1 Mbit/s carries 18 in 2 ms, so more is a flood and waits its turn. */
const MOST_FRAMES_A_READ = 256;
const BUSY_BUS = 0.8;

/** A position that the motor cannot have reached since its last frame is taken for a corrupted one ... */
const JUMP_ALLOWANCE_RAD = 0.1;
/** ... unless it has been quiet for this long, or says the same this often. */
const JUMP_WINDOW_NS = 50e6;
const JUMPS_BELIEVED = 3;

/**
 * ARX X5 and L5: six joints and a gripper on one CAN bus, Encos and Damiao motors side by side, all in the mode
 * where the motor itself closes the loop torque = kp (p - q) + kd (v - q') + t.
 *
 * `read`, `write` and `damp` allocate nothing and do not wait. `damp` works on a driver that never connected.
 */
export class X5Driver implements ArmDriver {
  readonly dof: number;
  readonly jointNames: readonly string[];
  readonly #description: ArmDescription;
  readonly #bus: CanBus;
  readonly #controlFrequencyHz: number;
  readonly #motors: readonly Motor[];
  /** Joint units per motor radian: 1, or metres of gripper opening, negative when it turns the other way. */
  readonly #ratio: Float64Array;
  readonly #torqueScale: Float64Array;
  /** Motor index by the id a frame came with, and by the low four bits of a Damiao reply. */
  readonly #byId = new Int8Array(STANDARD_IDS).fill(NOBODY);
  readonly #byNibble = new Int8Array(16).fill(NOBODY);
  readonly #frame = createCanFrame();
  readonly #bytes = new Uint8Array(8);
  readonly #command = createMotorCommand();
  readonly #limp = createMotorCommand();
  readonly #heard: Uint32Array;
  readonly #lastNs: Float64Array;
  readonly #position: Float64Array;
  readonly #velocity: Float64Array;
  readonly #torque: Float64Array;
  readonly #motorTemperatureC: Float64Array;
  readonly #driverTemperatureC: Float64Array;
  readonly #status: Uint32Array;
  readonly #fault: Uint32Array;
  readonly #jumps: Uint8Array;
  readonly #velocityMax: Float64Array;
  /** Feedback from before this moment counts as fresh at the first read, because waking knows no time. */
  #ageless = false;
  #closed = false;

  constructor(description: ArmDescription, bus: CanBus, options: X5DriverOptions = {}) {
    const { dof, armDof, motors } = description;
    this.dof = dof;
    this.jointNames = description.jointNames;
    this.#description = description;
    this.#bus = bus;
    this.#controlFrequencyHz = options.controlFrequencyHz ?? description.controlFrequencyHz;
    this.#motors = motors.map(createMotor);
    this.#ratio = new Float64Array(dof).fill(1);
    this.#ratio[armDof] = gripperRatio(description.gripper);
    this.#torqueScale = Float64Array.from(motors, ({ torqueScale }) => torqueScale);
    this.#heard = new Uint32Array(dof);
    this.#lastNs = new Float64Array(dof).fill(Number.NEGATIVE_INFINITY);
    this.#position = new Float64Array(dof);
    this.#velocity = new Float64Array(dof);
    this.#torque = new Float64Array(dof);
    this.#motorTemperatureC = new Float64Array(dof);
    this.#driverTemperatureC = new Float64Array(dof);
    this.#status = new Uint32Array(dof);
    this.#fault = new Uint32Array(dof);
    this.#jumps = new Uint8Array(dof);
    this.#velocityMax = Float64Array.from(this.#motors, ({ scales }) => scales.velocityMaxRadS);
    this.#motors.forEach((motor, index) => {
      const { canId } = motor.description;
      this.#byId[canId] = index;
      if (motor instanceof DamiaoMotor) this.#byNibble[canId & 0xf] = index;
    });
  }

  busLoad(frequencyHz: number): number {
    // One command and one answer a motor.
    return busLoad(2 * this.dof, frequencyHz, this.#description.busBitRate);
  }

  connect(waitMs: (ms: number) => void): ArmReport {
    wake(
      {
        busName: this.#bus.name,
        motors: this.#motors,
        send: (id, data, length) => this.#bus.send(id, data, length),
        heard: this.#heard,
        takeWaitingFrames: () => this.#takeFrames(0),
        sendLimp: () => this.#sendLimp(),
        sendDamping: () => this.damp(),
      },
      waitMs,
    );
    this.#motors.forEach((motor, index) => {
      this.#velocityMax[index] = motor.scales.velocityMaxRadS;
    });
    this.#ageless = true;
    const motors = this.#motors.map(reportOf);
    return { motors, warnings: [...warningsAbout(motors), ...this.#busWarnings()] };
  }

  read(nowNs: number, state: ArmState): void {
    if (this.#ageless) {
      this.#lastNs.fill(nowNs);
      this.#ageless = false;
    }
    this.#takeFrames(nowNs);
    for (let i = 0; i < this.dof; i++) {
      const ratio = this.#ratio[i]!;
      state.position[i] = this.#position[i]! * ratio;
      state.velocity[i] = this.#velocity[i]! * ratio;
      state.torque[i] = (this.#torque[i]! * this.#torqueScale[i]!) / ratio;
      state.motorTemperatureC[i] = this.#motorTemperatureC[i]!;
      state.driverTemperatureC[i] = this.#driverTemperatureC[i]!;
      state.feedbackAgeNs[i] = nowNs - this.#lastNs[i]!;
      state.status[i] = this.#status[i]!;
      state.fault[i] = this.#fault[i]!;
    }
  }

  write(command: ArmCommand): number {
    let sent = 0;
    for (let i = 0; i < this.dof; i++) {
      const ratio = this.#ratio[i]!;
      const out = this.#command;
      out.positionRad = command.position[i]! / ratio;
      out.velocityRadS = command.velocity[i]! / ratio;
      out.kp = command.kp[i]! * ratio * ratio;
      out.kd = command.kd[i]! * ratio * ratio;
      out.torqueNm = (command.torqueFeedForward[i]! * ratio) / this.#torqueScale[i]!;
      const sum = out.positionRad + out.velocityRadS + out.kp + out.kd + out.torqueNm;
      // A number that is none would be packed as a limit of the range; such a motor is damped instead.
      if (!Number.isFinite(sum)) this.#dampOne(i);
      else if (this.#send(i, out)) sent += 1;
    }
    return sent;
  }

  damp(): number {
    let sent = 0;
    for (let i = 0; i < this.dof; i++) {
      if (this.#dampOne(i)) sent += 1;
    }
    return sent;
  }

  /** Closes the bus. Motors keep their last command, which the control process has made a damping one. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#bus.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #dampOne(index: number): boolean {
    const out = this.#command;
    const ratio = this.#ratio[index]!;
    out.positionRad = 0;
    out.velocityRadS = 0;
    out.kp = 0;
    out.kd = this.#description.gains.dampingKd[index]! * ratio * ratio;
    out.torqueNm = 0;
    return this.#send(index, out);
  }

  #sendLimp(): void {
    for (let i = 0; i < this.dof; i++) this.#send(i, this.#limp);
  }

  #send(index: number, command: ReturnType<typeof createMotorCommand>): boolean {
    const motor = this.#motors[index]!;
    motor.pack(command, this.#bytes);
    return this.#bus.send(motor.description.canId, this.#bytes, 8);
  }

  #takeFrames(nowNs: number): void {
    for (let count = 0; count < MOST_FRAMES_A_READ && this.#bus.receive(this.#frame); count++) {
      const index = this.#owner();
      if (index !== NOBODY && this.#motors[index]!.take(this.#frame)) this.#keep(index, nowNs);
    }
  }

  /** Index of the motor that sent the waiting frame. */
  #owner(): number {
    const { id, length, data } = this.#frame;
    if (id >= STANDARD_IDS) return NOBODY;
    if (id === DAMIAO_REPLY_ID) return length === 8 ? this.#byNibble[data[0]! & 0xf]! : NOBODY;
    const index = this.#byId[id]!;
    if (index === NOBODY || length === 8) return index;
    // Only Encos motors send shorter frames: answers to questions.
    return this.#motors[index] instanceof EncosMotor ? index : NOBODY;
  }

  /** Keeps the feedback a motor just gave, unless its position says that the frame is corrupted. */
  #keep(index: number, nowNs: number): void {
    const motor = this.#motors[index]!;
    const { feedback } = motor;
    const ageNs = nowNs - this.#lastNs[index]!;
    const reach = JUMP_ALLOWANCE_RAD + this.#velocityMax[index]! * ageNs * 1e-9;
    const jumped = Math.abs(feedback.positionRad - this.#position[index]!) > reach;
    if (jumped && ageNs < JUMP_WINDOW_NS && this.#jumps[index]! < JUMPS_BELIEVED) {
      this.#jumps[index]! += 1;
      return;
    }
    this.#jumps[index] = 0;
    this.#position[index] = feedback.positionRad;
    this.#velocity[index] = feedback.velocityRadS;
    this.#torque[index] = feedback.torqueNm;
    this.#motorTemperatureC[index] = feedback.motorTemperatureC;
    this.#driverTemperatureC[index] = feedback.driverTemperatureC;
    this.#status[index] = feedback.status;
    this.#fault[index] = motor.fault();
    this.#lastNs[index] = nowNs;
    this.#heard[index]! += 1;
  }

  #busWarnings(): string[] {
    const load = this.busLoad(this.#controlFrequencyHz);
    if (load <= BUSY_BUS) return [];
    const percent = Math.round(load * 100);
    return [
      `${this.#controlFrequencyHz} Hz takes up to ${percent} % of the bus ${this.#bus.name}: ` +
        (load > 1 ? 'frames will be lost on a real one, lower --control-freq' : 'nothing else should use it'),
    ];
  }
}

const createMotor = (description: MotorDescription): Motor =>
  description.model === 'EC_A4310' ? new EncosMotor(description) : new DamiaoMotor(description);

function reportOf({ description, scales }: Motor): MotorReport {
  return {
    joint: description.joint,
    canId: description.canId,
    model: description.model,
    positionMaxRad: scales.positionMaxRad,
    velocityMaxRadS: scales.velocityMaxRadS,
    torqueMaxNm: scales.torqueMaxNm,
    rangesFrom: scales.told ? 'motor' : 'data sheet',
    communicationTimeoutMs: scales.communicationTimeoutMs,
  };
}

function warningsAbout(motors: readonly MotorReport[]): string[] {
  const warnings: string[] = [];
  const warn = (which: (motor: MotorReport) => boolean, text: string) => {
    const names = motors.filter(which).map(({ joint }) => joint);
    if (names.length > 0) warnings.push(`${names.join(', ')}: ${text}`);
  };
  warn(
    (motor) => motor.communicationTimeoutMs === 0,
    'the motor has no communication timeout, so if this machine dies it holds its last command',
  );
  warn(
    (motor) => motor.communicationTimeoutMs === undefined,
    'the motor did not tell its communication timeout',
  );
  warn(
    (motor) => motor.rangesFrom === 'data sheet',
    'the motor did not tell its ranges; those of the data sheet are used, torque may be scaled wrongly',
  );
  return warnings;
}
