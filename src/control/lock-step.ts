import { armDescription, loadKinematics } from '../arms/catalogue.ts';
import {
  type ArmCommand,
  type ArmDriver,
  type ArmReport,
  type ArmState,
  MotorFault,
} from '../arms/driver.ts';
import type { ActionChunk } from '../core/chunk.ts';
import { Request, type RequestName, stateName } from '../core/control-state.ts';
import { GRAVITY_DOWN, gravityTorque } from '../core/kinematics/gravity.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { ChunkWriter } from '../segment/chunk-exchange.ts';
import { Lease } from '../segment/lease.ts';
import { Controller } from './controller.ts';
import type { ControllerConfig } from './controller-config.ts';
import type { EventSink } from './event-codes.ts';
import { TraceColumn, type TraceScalar, type TraceVector, vectorColumn } from './trace-row.ts';

/**
 * A controller and a simple arm that take turns, for tests: no bus, no clock, faster than real time. The arm obeys
 * the motors' law with an inertia a joint, weight, a little friction, and whatever fault is set.
 */

const DESCRIPTION = armDescription('X5');
const KINEMATICS = loadKinematics(DESCRIPTION);
const INERTIA = [0.4, 0.4, 0.25, 0.05, 0.05, 0.02, 2];
const SUBSTEPS = 4;

export class PlainArm implements ArmDriver {
  readonly dof = DESCRIPTION.dof;
  readonly jointNames = DESCRIPTION.jointNames;
  readonly position = Float64Array.from(DESCRIPTION.home);
  readonly velocity = new Float64Array(this.dof);
  /** Faults to set: silent motors, fault bits, temperatures, joints that something stands in the way of. */
  readonly silentSinceNs = new Float64Array(this.dof).fill(Number.POSITIVE_INFINITY);
  readonly faults = new Uint32Array(this.dof);
  readonly temperatureC = new Float64Array(this.dof).fill(30);
  readonly extraTorque = new Float64Array(this.dof);
  readonly blockedBelow = new Float64Array(this.dof).fill(Number.NEGATIVE_INFINITY);
  /** Largest torque a motor was asked for so far, as a share of its limit. */
  readonly asked = new Float64Array(this.dof);
  damped = 0;
  written = 0;
  readonly #periodS: number;
  readonly #load = new Float64Array(this.dof);
  readonly #torque = new Float64Array(this.dof);

  constructor(periodS: number) {
    this.#periodS = periodS;
  }

  busLoad(): number {
    return 0.8;
  }

  connect(): ArmReport {
    return { motors: [], warnings: [] };
  }

  read(nowNs: number, state: ArmState): void {
    for (let i = 0; i < this.dof; i++) {
      const silentNs = nowNs - this.silentSinceNs[i]!;
      state.feedbackAgeNs[i] = silentNs > 0 ? silentNs : 5e5;
      if (silentNs > 0) continue;
      state.position[i] = this.position[i]!;
      state.velocity[i] = this.velocity[i]!;
      state.torque[i] = this.#torque[i]! + this.extraTorque[i]!;
      state.motorTemperatureC[i] = this.temperatureC[i]!;
      state.driverTemperatureC[i] = 30;
      state.fault[i] = this.faults[i]!;
    }
  }

  write(command: ArmCommand): number {
    this.written += 1;
    this.#move(command.kp, command.kd, command);
    return this.dof;
  }

  damp(): number {
    this.damped += 1;
    this.#move(new Float64Array(this.dof), DESCRIPTION.gains.dampingKd);
    return this.dof;
  }

  close(): void {}

  #move(kp: Float64Array, kd: Float64Array, command?: ArmCommand): void {
    const dt = this.#periodS / SUBSTEPS;
    const { limits, armDof } = DESCRIPTION;
    for (let k = 0; k < SUBSTEPS; k++) {
      gravityTorque(KINEMATICS, this.position, GRAVITY_DOWN, this.#load);
      for (let i = 0; i < this.dof; i++) {
        const p = command?.position[i] ?? 0;
        const v = command?.velocity[i] ?? 0;
        const forward = command?.torqueFeedForward[i] ?? 0;
        const stiff = kp[i]! * (p - this.position[i]!) + forward;
        const torque = stiff + kd[i]! * (v - this.velocity[i]!);
        this.asked[i] = Math.max(this.asked[i]!, Math.abs(torque) / limits.torqueMax[i]!);
        this.#torque[i] = torque;
        // Damping of the motor is implicit, so that the light joints stay calm at this step.
        const push = stiff + kd[i]! * v - (i < armDof ? this.#load[i]! : 0);
        const inertia = INERTIA[i]!;
        this.velocity[i] =
          (this.velocity[i]! + (dt * push) / inertia) / (1 + (dt * (kd[i]! + 0.05)) / inertia);
        this.position[i]! += dt * this.velocity[i]!;
        if (this.position[i]! < this.blockedBelow[i]!) {
          this.position[i] = this.blockedBelow[i]!;
          this.velocity[i] = 0;
        }
      }
    }
  }
}

export interface SeenEvent {
  readonly code: number;
  readonly detail: number;
  readonly a: number;
}

let counter = 0;

export class LockStep implements Disposable {
  readonly description = DESCRIPTION;
  readonly dof = DESCRIPTION.dof;
  readonly periodNs: number;
  readonly arm: PlainArm;
  readonly segment: ArmSegment;
  readonly controller: Controller;
  readonly writer: ChunkWriter;
  readonly events: SeenEvent[] = [];
  /** Commanded positions of every tick, a list a joint. */
  readonly commanded: number[][] = Array.from({ length: DESCRIPTION.dof }, () => []);
  nowNs = 1e12;
  #lease: Lease | undefined;

  constructor(config: Partial<ControllerConfig> = {}, prepare?: (arm: PlainArm) => void) {
    const controlFrequencyHz = config.controlFrequencyHz ?? 500;
    this.periodNs = 1e9 / controlFrequencyHz;
    this.arm = new PlainArm(this.periodNs / 1e9);
    prepare?.(this.arm);
    const name = `myelin_lockstep_${process.pid}_${++counter}_${Math.trunc(performance.now() * 1e6)}`;
    this.segment = ArmSegment.create(name, { dof: this.dof, model: 'X5', interfaceName: 'none' });
    const events: EventSink = {
      push: (_timeNs, code, detail = 0, a = 0) => this.events.push({ code, detail, a }),
    };
    this.controller = new Controller({
      description: DESCRIPTION,
      kinematics: KINEMATICS,
      segment: this.segment,
      driver: this.arm,
      config: {
        controlFrequencyHz,
        commandTimeoutS: 0.2,
        watchdogTimeoutS: 1,
        feedbackTimeoutS: 0.1,
        policyFrequencyHz: 30,
        tablePlaneZ: 0,
        ...config,
      },
      events,
    });
    this.writer = new ChunkWriter(this.segment);
  }

  get state(): string {
    return stateName(this.segment.fields.controlState);
  }

  scalar(name: TraceScalar): number {
    return this.controller.traceRow[TraceColumn[name]]!;
  }

  vector(name: TraceVector): number[] {
    const at = vectorColumn(name, this.dof);
    return Array.from(this.controller.traceRow.subarray(at, at + this.dof));
  }

  tick(): void {
    this.nowNs += this.periodNs;
    this.controller.tick(this.nowNs, this.nowNs / 1e9);
    this.vector('commandedPosition').forEach((p, joint) => {
      this.commanded[joint]!.push(p);
    });
  }

  /** Ticks for a while; `each` runs before every one. */
  run(seconds: number, each?: () => void): void {
    const ticks = Math.round((seconds * 1e9) / this.periodNs);
    for (let k = 0; k < ticks; k++) {
      each?.();
      this.tick();
    }
  }

  /** Ticks until `condition` holds after a tick; how many it took. */
  until(condition: () => boolean, mostS = 10): number {
    for (let k = 1; k <= (mostS * 1e9) / this.periodNs; k++) {
      this.tick();
      if (condition()) return k;
    }
    throw new Error(`in vain for ${mostS} s; the state is ${this.state}`);
  }

  request(...names: RequestName[]): void {
    this.segment.request(names.reduce((bits, name) => bits | Request[name], 0));
  }

  /** Takes the lease at its first use. */
  beat(): void {
    this.#lease ??= Lease.acquire(this.segment, 'test', this.nowNs);
    this.#lease.heartbeat(this.nowNs, this.nowNs / 1e9);
  }

  /** A sign of life of a script that knows only the first page. */
  scriptBeat(): void {
    this.segment.fields.inferenceTimestampS = this.nowNs / 1e9;
  }

  /** Publishes rows that all ask for `pose`, due from now on, without a sign of life. */
  send(pose: ArrayLike<number>, rows = 10, other: Partial<ActionChunk> & { startNs?: number } = {}): void {
    const actions = new Float64Array(rows * pose.length);
    for (let row = 0; row < rows; row++) actions.set(Array.from(pose), row * pose.length);
    const { startNs = this.nowNs, ...chunk } = other;
    const whole = {
      actions,
      rows,
      dof: pose.length,
      stepPeriodS: 1 / 30,
      timestep: 0,
      observedNs: this.nowNs,
    };
    this.writer.publish({ ...whole, ...chunk }, startNs);
  }

  homeWith(changes: Readonly<Record<number, number>>): number[] {
    return Array.from(DESCRIPTION.home, (q, joint) => changes[joint] ?? q);
  }

  /** Stiff and RUNNING. */
  start(): void {
    this.run(0.6);
    this.request('START');
    this.tick();
  }

  [Symbol.dispose](): void {
    this.segment.unlink();
    this.segment.close();
  }
}

export { MotorFault };
