import { type ArmDriver, createArmState } from '../arms/driver.ts';

/** Joints slower than this are at rest: arm joints rad/s, gripper m/s. */
const REST_VELOCITY = 0.05;
/** They must stay so for this long, because an arm that begins to sink is slow too. */
const REST_NS = 300e6;
/** Feedback older than this says nothing about motion now. */
const FRESH_NS = 50e6;

/**
 * Brings an arm to rest without a control loop: damping frames, again and again, until every joint has stood still
 * for a while. Pure of time and I/O except through the driver.
 */
export class ArmDamper {
  readonly #driver: ArmDriver;
  readonly #state;
  #restingSinceNs: number | undefined;
  #accepted = 0;

  constructor(driver: ArmDriver) {
    this.#driver = driver;
    this.#state = createArmState(driver.dof);
  }

  /** Damping frames that the bus accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Sends one round of damping frames, then listens. True when the arm is at rest. */
  step(nowNs: number): boolean {
    this.#accepted += this.#driver.damp();
    this.#driver.read(nowNs, this.#state);
    const { velocity, feedbackAgeNs } = this.#state;
    const still = velocity.every(
      (value, joint) => Math.abs(value) < REST_VELOCITY && feedbackAgeNs[joint]! < FRESH_NS,
    );
    this.#restingSinceNs = still ? (this.#restingSinceNs ?? nowNs) : undefined;
    return this.#restingSinceNs !== undefined && nowNs - this.#restingSinceNs >= REST_NS;
  }
}
