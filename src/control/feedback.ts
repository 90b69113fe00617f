import type { ArmDescription } from '../arms/description.ts';
import { type ArmDriver, type ArmState, createArmState } from '../arms/driver.ts';

/** Feedback older than this holds the arm until it is back; the feedback timeout stops it. */
const GAP_NS = 20e6;
/** Measured motion below this is rest: rad/s, and m/s for the gripper. */
const REST_RAD_S = 0.05;
const REST_M_S = 0.01;

/** What the motors say, and whether it is recent enough to act on. */
export class Feedback {
  readonly state: ArmState;
  /** Fault bits of all motors together. */
  faults = 0;
  /** False until every motor has answered once. */
  found = false;
  /** Age of the oldest motor's feedback, ns, at 0. */
  readonly oldestNs = new Float64Array(1).fill(Number.POSITIVE_INFINITY);
  readonly #driver: ArmDriver;
  readonly #dof: number;
  readonly #armDof: number;

  constructor(driver: ArmDriver, { dof, armDof }: ArmDescription) {
    this.#driver = driver;
    this.#dof = dof;
    this.#armDof = armDof;
    this.state = createArmState(dof);
  }

  /** Takes in what has arrived. Once a tick. */
  read(nowNs: number): void {
    const { state } = this;
    this.#driver.read(nowNs, state);
    let oldestNs = 0;
    let faults = 0;
    for (let i = 0; i < this.#dof; i++) {
      const ageNs = state.feedbackAgeNs[i]!;
      if (!(ageNs <= oldestNs)) oldestNs = ageNs;
      faults |= state.fault[i]!;
    }
    this.oldestNs[0] = oldestNs;
    this.faults = faults;
    if (!this.gap) this.found = true;
  }

  /** Whether some motor has been silent for so long that nothing new may be tried. */
  get gap(): boolean {
    return !(this.oldestNs[0]! <= GAP_NS);
  }

  /** Whether some joint is measured to move. */
  get moving(): boolean {
    for (let i = 0; i < this.#dof; i++) {
      if (Math.abs(this.state.velocity[i]!) > (i < this.#armDof ? REST_RAD_S : REST_M_S)) return true;
    }
    return false;
  }
}
