import { type MainModule, type MjData, type MjModel, mujoco } from './mujoco.ts';
import { sceneXml, type WorldArm } from './scene.ts';

export const PHYSICS_STEP_S = 0.001;

const FREE_JOINT_QPOS = 7;
/** Numbers a row of MuJoCo's actuator parameters has. */
const ACTUATOR_PARAMETERS = 10;

export interface FreeObject {
  readonly name: string;
  readonly body: number;
  readonly qposAddress: number;
  readonly qvelAddress: number;
}

/**
 * MuJoCo with one scene: bodies, contacts and one actuator a motor. Motor quantities are at the output shaft: rad,
 * rad/s, Nm. The engine's arrays are views into its heap, and another model in the same process can make the
 * heap grow and empty them: call {@link Physics.refresh} before a round of use.
 */
export class Physics {
  readonly arm: WorldArm;
  readonly motorCount: number;
  readonly objects: readonly FreeObject[];
  readonly #engine: MainModule;
  readonly #model: MjModel;
  readonly #data: MjData;
  #closed = false;
  qpos = new Float64Array();
  qvel = new Float64Array();
  #bodyPositions = new Float64Array();
  #appliedForces = new Float64Array();
  #motorPosition = new Float64Array();
  #motorVelocity = new Float64Array();
  #motorTorque = new Float64Array();
  #bias = new Float64Array();
  #torqueRange = new Float64Array();

  /** Loads the engine and the scene. @throws Error when the scene does not compile. */
  static async create(arm: WorldArm): Promise<Physics> {
    return new Physics(await mujoco(), arm);
  }

  constructor(engine: MainModule, arm: WorldArm) {
    this.arm = arm;
    this.#engine = engine;
    this.#model = engine.MjModel.from_xml_string(sceneXml(arm));
    this.#data = new engine.MjData(this.#model);
    this.motorCount = this.#model.nu;
    this.objects = this.#findObjects();
    this.refresh();
    engine.mj_forward(this.#model, this.#data);
  }

  get timeS(): number {
    return this.#data.time;
  }

  get qposLength(): number {
    return this.#model.nq;
  }

  /** One step of {@link PHYSICS_STEP_S}. */
  step(): void {
    this.#engine.mj_step(this.#model, this.#data);
  }

  /** Brings everything derived up to date after positions were set from outside. */
  forward(): void {
    this.#engine.mj_forward(this.#model, this.#data);
  }

  motorPosition = (motor: number): number => this.#motorPosition[motor] ?? 0;
  motorVelocity = (motor: number): number => this.#motorVelocity[motor] ?? 0;
  motorTorque = (motor: number): number => this.#motorTorque[motor] ?? 0;

  /**
   * The law the motor follows from now on: torque = offset - kp * position - kd * velocity, within [low, high] Nm.
   * The engine integrates it implicitly, as the motor's own fast loop would.
   */
  setMotorLaw(motor: number, offset: number, kp: number, kd: number, low: number, high: number): void {
    const row = motor * ACTUATOR_PARAMETERS;
    this.#bias[row] = offset;
    this.#bias[row + 1] = -kp;
    this.#bias[row + 2] = -kd;
    this.#torqueRange[2 * motor] = low;
    this.#torqueRange[2 * motor + 1] = high;
  }

  /** Sets the arm's joint angles (rad) and the gripper opening (m), at rest. For tests and scene set-up. */
  setArm(pose: ArrayLike<number>): void {
    this.refresh();
    const joints = this.motorCount - 1;
    for (let joint = 0; joint < joints; joint += 1) this.qpos[joint] = pose[joint] ?? 0;
    this.qpos.fill((pose[joints] ?? 0) / 2, joints, joints + 2);
    this.qvel.fill(0, 0, joints + 2);
    this.forward();
  }

  /** World position of the point between the finger tips, m. */
  tipPosition(out: Float64Array): Float64Array {
    out.set(this.#data.site('eef_link').xpos as Float64Array);
    return out;
  }

  /** Moves a free object and stops it. Position m, orientation as a unit quaternion (w x y z). */
  setObject(object: FreeObject, position: ArrayLike<number>, quaternion: ArrayLike<number>): void {
    this.refresh();
    for (let i = 0; i < 3; i += 1) this.qpos[object.qposAddress + i] = position[i] ?? 0;
    const length = Math.hypot(quaternion[0] ?? 1, quaternion[1] ?? 0, quaternion[2] ?? 0, quaternion[3] ?? 0);
    for (let i = 0; i < 4; i += 1)
      this.qpos[object.qposAddress + 3 + i] = (quaternion[i] ?? 0) / (length || 1);
    this.qvel.fill(0, object.qvelAddress, object.qvelAddress + 6);
  }

  /** Copies x y z qw qx qy qz of an object. */
  objectPose(object: FreeObject, out: Float64Array, at = 0): void {
    for (let i = 0; i < FREE_JOINT_QPOS; i += 1) out[at + i] = this.qpos[object.qposAddress + i] ?? 0;
  }

  bodyId(name: string): number {
    return this.#engine.mj_name2id(this.#model, 1, name);
  }

  bodyPosition(name: string): readonly [number, number, number] {
    const at = 3 * this.bodyId(name);
    return [this.#bodyPositions[at] ?? 0, this.#bodyPositions[at + 1] ?? 0, this.#bodyPositions[at + 2] ?? 0];
  }

  /** A force on a body's centre of mass until it is set again, N in the base frame. */
  setForce(body: number, force: ArrayLike<number>): void {
    for (let i = 0; i < 3; i += 1) this.#appliedForces[6 * body + i] = force[i] ?? 0;
  }

  totalMassKg(rootBody: string): number {
    return Number((this.#model.body_subtreemass as Float64Array)[this.bodyId(rootBody)]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#data.delete();
    this.#model.delete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Takes the views anew if the heap has moved. */
  refresh(): void {
    if (this.qpos.length > 0) return;
    const data = this.#data;
    const model = this.#model;
    this.qpos = data.qpos as Float64Array<ArrayBuffer>;
    this.qvel = data.qvel as Float64Array<ArrayBuffer>;
    this.#bodyPositions = data.xpos as Float64Array<ArrayBuffer>;
    this.#appliedForces = data.xfrc_applied as Float64Array<ArrayBuffer>;
    this.#motorPosition = data.actuator_length as Float64Array<ArrayBuffer>;
    this.#motorVelocity = data.actuator_velocity as Float64Array<ArrayBuffer>;
    this.#motorTorque = data.actuator_force as Float64Array<ArrayBuffer>;
    this.#bias = model.actuator_biasprm as Float64Array<ArrayBuffer>;
    this.#torqueRange = model.actuator_forcerange as Float64Array<ArrayBuffer>;
  }

  #findObjects(): FreeObject[] {
    const model = this.#model;
    const types = model.jnt_type as Int32Array;
    const objects: FreeObject[] = [];
    for (let joint = 0; joint < model.njnt; joint += 1) {
      if (types[joint] !== 0) continue;
      objects.push({
        name: this.#engine.mj_id2name(model, 3, joint),
        body: Number((model.jnt_bodyid as Int32Array)[joint]),
        qposAddress: Number((model.jnt_qposadr as Int32Array)[joint]),
        qvelAddress: Number((model.jnt_dofadr as Int32Array)[joint]),
      });
    }
    return objects;
  }
}
