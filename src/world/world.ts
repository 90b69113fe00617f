import { MyelinError } from '../core/errors.ts';
import { SimulatedBus } from './bus/simulated-bus.ts';
import { DamiaoMotor } from './motors/damiao-motor.ts';
import { EncosMotor } from './motors/encos-motor.ts';
import type { Motor, MotorLaw, MotorOptions } from './motors/motor.ts';
import { ARM_MOTORS } from './motors/motor-data.ts';
import { type FreeObject, PHYSICS_STEP_S, Physics } from './physics.ts';
import { seededRandom } from './random.ts';
import { BIN_HALF_INSIDE_M, CUBE_SIZE_M, placeCubes, type WorldArm } from './scene.ts';
import type { Fault, WorldState } from './world-messages.ts';

export interface WorldOptions extends MotorOptions {
  readonly arm?: WorldArm;
  /** Decides where the cubes lie and which frames faults hit. Default 1. */
  readonly seed?: number;
  /** Whether frames take their time on the wire. Default true; without it 1 kHz is possible. */
  readonly bitTiming?: boolean;
  /** Time the world starts at, ns. Default 0. */
  readonly startNs?: number;
}

interface Push {
  readonly body: number;
  readonly endNs: number;
}

const STEP_NS = PHYSICS_STEP_S * 1e9;
/** What holds the arm in its starting pose until something drives it, in Nm/rad and Nm s/rad. */
const PARKING = { kp: 2000, kd: 40, gripperKp: 5, gripperKd: 0.2 };
const OVERHEATED_C = 135;

/**
 * The simulated world: physics, motors and the bus they hang on. It has no clock of its own: time is what
 * {@link World.advance} is told, so it runs in real time behind sockets or as fast as it can in lock-step.
 *
 * The arm starts parked in its zero pose, as if held by a hand, and stays there until a motor is first told to push
 * (stiffness or torque, not mere damping). From then on only the motors hold it.
 */
export class World {
  readonly arm: WorldArm;
  readonly physics: Physics;
  readonly bus: SimulatedBus;
  readonly motors: readonly Motor[];
  readonly #law: MotorLaw = { offsetNm: 0, kp: 0, kd: 0, lowNm: 0, highNm: 0 };
  readonly #pose = new Float64Array(7);
  #parked = true;
  #pushes: Push[] = [];
  #seed: number;
  #resets = 0;
  #nowNs: number;
  #nextStepNs: number;

  /** Loads the physics engine and lays out the scene. */
  static async create(options: WorldOptions = {}): Promise<World> {
    return new World(await Physics.create(options.arm ?? 'X5'), options);
  }

  constructor(physics: Physics, options: WorldOptions = {}) {
    this.physics = physics;
    this.arm = physics.arm;
    this.#seed = options.seed ?? 1;
    this.#nowNs = options.startNs ?? 0;
    this.#nextStepNs = this.#nowNs + STEP_NS;
    this.bus = new SimulatedBus({
      ...(options.bitTiming === false ? { bitRate: 0 } : {}),
      random: seededRandom(this.#seed ^ 0x5eed),
    });
    this.motors = ARM_MOTORS[this.arm].map((place) =>
      place.data.family === 'encos' ? new EncosMotor(place, options) : new DamiaoMotor(place, options),
    );
    for (const motor of this.motors) this.bus.addMotor(motor);
    this.#layOut();
  }

  get nowNs(): number {
    return this.#nowNs;
  }
  get seed(): number {
    return this.#seed;
  }
  get resets(): number {
    return this.#resets;
  }
  get simulatedS(): number {
    return this.physics.timeS;
  }
  /** When something next happens by itself: a physics step or something on the bus, ns. */
  get nextEventNs(): number {
    return Math.min(this.#nextStepNs, this.bus.nextEventNs);
  }
  get nextStepNs(): number {
    return this.#nextStepNs;
  }

  /** Lets `dtS` pass. */
  step(dtS: number): void {
    this.advance(this.#nowNs + dtS * 1e9);
  }

  /**
   * Lets everything up to `nowNs` happen, but at most `maxSteps` physics steps. Returns the steps made; when they
   * were not enough, {@link World.nowNs} stays behind.
   */
  advance(nowNs: number, maxSteps = Number.POSITIVE_INFINITY): number {
    let steps = 0;
    while (this.#nextStepNs <= nowNs && steps < maxSteps) {
      this.bus.advance(this.#nextStepNs);
      this.#stepPhysics(this.#nextStepNs);
      this.#nowNs = this.#nextStepNs;
      this.#nextStepNs += STEP_NS;
      steps += 1;
    }
    if (this.#nextStepNs > nowNs) {
      this.bus.advance(nowNs);
      this.#nowNs = nowNs;
    }
    return steps;
  }

  /** Lays the cubes out anew, as `seed` says. The arm stays where it is unless `parkArm`. */
  reset(seed = this.#seed, parkArm = false): void {
    this.#seed = seed;
    this.#resets += 1;
    if (parkArm) {
      this.#parked = true;
      this.physics.setArm(new Float64Array(7));
    }
    this.#layOut();
  }

  /** A force on a body (a cube or a link of the arm) for a while. @throws MyelinError INVALID_ARGUMENT */
  push(bodyName: string, forceN: ArrayLike<number>, durationMs: number): void {
    const body = this.physics.bodyId(bodyName);
    if (body < 0) throw unknown('body', bodyName, 'a body of the scene, such as red_cube or link6');
    this.#pushes = this.#pushes.filter((push) => push.body !== body);
    this.#pushes.push({ body, endNs: this.#nowNs + durationMs * 1e6 });
    this.physics.setForce(body, forceN);
  }

  /** Puts an object somewhere, at rest. Position m in the arm's base frame, orientation w x y z. */
  place(
    objectName: string,
    positionM: ArrayLike<number>,
    quaternion: ArrayLike<number> = [1, 0, 0, 0],
  ): void {
    const object = this.physics.objects.find(({ name }) => name === objectName);
    const names = this.physics.objects.map(({ name }) => name).join(', ');
    if (object === undefined) throw unknown('object', objectName, `one of ${names}`);
    this.physics.setObject(object, positionM, quaternion);
    this.physics.forward();
  }

  /** Breaks something. @throws MyelinError INVALID_ARGUMENT when there is no such motor. */
  fault(fault: Fault): void {
    switch (fault.kind) {
      case 'lost':
      case 'corrupted':
      case 'late':
        if (fault.motor !== undefined) this.motor(fault.motor);
        this.bus.faults.add(fault);
        return;
      case 'dead':
        this.motor(fault.motor).isDead = true;
        return;
      case 'alive':
        this.motor(fault.motor).isDead = false;
        return;
      case 'overTemperature': {
        const { thermal } = this.motor(fault.motor);
        thermal.windingC = fault.celsius ?? OVERHEATED_C;
        return;
      }
      case 'busOff':
        this.bus.busOff(this.#nowNs + fault.durationMs * 1e6);
        return;
      case 'clear':
        this.bus.faults.clear();
        for (const motor of this.motors) motor.isDead = false;
        return;
    }
  }

  /** The motor with this CAN id. @throws MyelinError INVALID_ARGUMENT */
  motor(canId: number): Motor {
    const motor = this.motors.find((other) => other.canId === canId);
    if (motor === undefined)
      throw unknown('motor', canId, `one of ${this.motors.map((m) => m.canId).join(', ')} (CAN ids)`);
    return motor;
  }

  /** The colour's cube lies in the colour's bin and is not held above it. */
  isSorted(object: FreeObject): boolean {
    const [colour] = object.name.split('_');
    const [binX, binY] = this.physics.bodyPosition(`${colour}_bin`);
    const { qpos } = this.physics;
    const at = object.qposAddress;
    return (
      Math.abs(qpos[at]! - binX) < BIN_HALF_INSIDE_M &&
      Math.abs(qpos[at + 1]! - binY) < BIN_HALF_INSIDE_M &&
      qpos[at + 2]! < 1.5 * CUBE_SIZE_M
    );
  }

  get sorted(): number {
    return this.physics.objects.filter((object) => this.isSorted(object)).length;
  }

  /** Everything a person or a test wants to know. */
  state(): WorldState {
    const pose = this.#pose;
    return {
      arm: this.arm,
      seed: this.#seed,
      resets: this.#resets,
      simulatedS: this.simulatedS,
      parked: this.#parked,
      sorted: this.sorted,
      objects: this.physics.objects.map((object) => {
        this.physics.objectPose(object, pose);
        const [x, y, z, ...quaternion] = pose;
        return { name: object.name, positionM: [x!, y!, z!], quaternion, sorted: this.isSorted(object) };
      }),
      motors: this.motors.map((motor) => ({
        joint: motor.joint,
        canId: motor.canId,
        model: motor.data.model,
        status: motor.status,
        positionRad: motor.positionRad(),
        velocityRadS: motor.velocityRadS,
        torqueNm: motor.torqueNm,
        windingC: motor.thermal.windingC,
        driverC: motor.thermal.driverC,
      })),
      bus: {
        frames: this.bus.frames,
        busyS: this.bus.busyNs / 1e9,
        hosts: this.bus.hosts.length,
        busOff: this.bus.isBusOff,
        faults: [...this.bus.faults.active],
        hits: { ...this.bus.faults.hits },
      },
    };
  }

  close(): void {
    this.physics.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #stepPhysics(nowNs: number): void {
    this.#endPushes(nowNs);
    const { physics, motors } = this;
    physics.refresh();
    if (this.#parked) this.#parked = !motors.some((motor) => motor.isPushing);
    const law = this.#law;
    for (let i = 0; i < motors.length; i += 1) {
      motors[i]!.law(nowNs, law);
      if (this.#parked) this.#park(i, law);
      physics.setMotorLaw(i, law.offsetNm, law.kp, law.kd, law.lowNm, law.highNm);
    }
    physics.step();
    for (let i = 0; i < motors.length; i += 1) {
      const torque = this.#parked ? 0 : physics.motorTorque(i);
      motors[i]!.moved(physics.motorPosition(i), physics.motorVelocity(i), torque, PHYSICS_STEP_S, nowNs);
    }
  }

  #park(motor: number, law: MotorLaw): void {
    const isGripper = motor === this.motors.length - 1;
    law.offsetNm = 0;
    law.kp = isGripper ? PARKING.gripperKp : PARKING.kp;
    law.kd = isGripper ? PARKING.gripperKd : PARKING.kd;
  }

  #endPushes(nowNs: number): void {
    if (this.#pushes.length === 0) return;
    for (const push of this.#pushes) if (push.endNs <= nowNs) this.physics.setForce(push.body, [0, 0, 0]);
    this.#pushes = this.#pushes.filter((push) => push.endNs > nowNs);
  }

  #layOut(): void {
    for (const { name, xM, yM, yawRad } of placeCubes(this.#seed)) {
      const turn = [Math.cos(yawRad / 2), 0, 0, Math.sin(yawRad / 2)];
      this.place(name, [xM, yM, CUBE_SIZE_M / 2], turn);
    }
  }
}

const unknown = (name: string, value: string | number, allowed: string): MyelinError =>
  new MyelinError('INVALID_ARGUMENT', { name, value, allowed });
