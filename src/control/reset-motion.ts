import type { Envelope } from '../core/motion/envelope.ts';
import type { MotionLimits } from '../core/motion/jerk-limiter.ts';
import { MinimumJerkMove } from '../core/motion/minimum-jerk.ts';

/** Part of each limit that a reset uses: nobody watches it as closely as a policy at work. */
const SHARE = 0.35;
/** Poses looked at on each leg. */
const LOOKS = 24;

export const ResetPhase = { IDLE: 0, SEARCHING: 1, MOVING: 2, DONE: 3, BLOCKED: 4 } as const;
export type ResetPhaseCode = (typeof ResetPhase)[keyof typeof ResetPhase];

/**
 * The way home: a minimum-jerk move, straight if that is free. If it is not, some joints go first and the others
 * after them; every division of the joints is tried, one a tick so that no tick takes long, until a free way is
 * found. The gripper keeps its opening: a reset that opened it would drop what it holds.
 */
export class ResetMotion {
  readonly #envelope: Envelope;
  readonly #armDof: number;
  readonly #home: ArrayLike<number>;
  readonly #leg: MinimumJerkMove;
  readonly #from: Float64Array;
  readonly #via: Float64Array;
  readonly #to: Float64Array;
  readonly #look: Float64Array;
  readonly #legStartNs = new Float64Array(1);
  #phase: ResetPhaseCode = ResetPhase.IDLE;
  /** Joints (as bits) that go first in the division looked at now; 0 is the straight way. */
  #first = 0;
  #legs = 1;

  constructor(limits: MotionLimits, armDof: number, home: ArrayLike<number>, envelope: Envelope) {
    this.#envelope = envelope;
    this.#armDof = armDof;
    this.#home = home;
    this.#leg = new MinimumJerkMove(limits, SHARE);
    const vector = () => new Float64Array(limits.positionMin.length);
    this.#from = vector();
    this.#via = vector();
    this.#to = vector();
    this.#look = vector();
  }

  get phase(): ResetPhaseCode {
    return this.#phase;
  }

  /** Begins to look for a way from `pose`, at which the arm rests. */
  begin(pose: ArrayLike<number>): void {
    for (let i = 0; i < this.#from.length; i++) {
      this.#from[i] = pose[i]!;
      this.#to[i] = i < this.#armDof ? this.#home[i]! : pose[i]!;
    }
    this.#first = 0;
    this.#phase = ResetPhase.SEARCHING;
  }

  cancel(): void {
    this.#phase = ResetPhase.IDLE;
  }

  /** One tick: searches, or writes where the target is now. */
  step(nowNs: number, position: Float64Array, velocity: Float64Array): ResetPhaseCode {
    if (this.#phase === ResetPhase.SEARCHING) this.#search(nowNs);
    if (this.#phase === ResetPhase.MOVING) {
      let timeS = (nowNs - this.#legStartNs[0]!) / 1e9;
      if (this.#legs === 2 && timeS >= this.#leg.durationS) {
        this.#legs = 1;
        this.#legStartNs[0] = nowNs;
        timeS = 0;
        this.#leg.plan(this.#via, this.#to);
      }
      this.#leg.sample(timeS, position, velocity);
      if (this.#legs === 1 && timeS >= this.#leg.durationS) this.#phase = ResetPhase.DONE;
    } else if (this.#phase === ResetPhase.DONE) {
      position.set(this.#to);
      velocity.fill(0);
    }
    return this.#phase;
  }

  #search(nowNs: number): void {
    const straight = this.#first === 0;
    for (let i = 0; i < this.#via.length; i++) {
      this.#via[i] = (this.#first & (1 << i)) !== 0 ? this.#to[i]! : this.#from[i]!;
    }
    const free = this.#free(this.#from, straight ? this.#to : this.#via, true);
    if (free && (straight || this.#free(this.#via, this.#to, false))) {
      this.#legs = straight ? 1 : 2;
      this.#leg.plan(this.#from, straight ? this.#to : this.#via);
      this.#legStartNs[0] = nowNs;
      this.#phase = ResetPhase.MOVING;
      return;
    }
    this.#first += 1;
    if (this.#first >= (1 << this.#armDof) - 1) this.#phase = ResetPhase.BLOCKED;
  }

  /** Whether a leg is free. One that begins in violation must gain room until it is free. */
  #free(from: Float64Array, to: Float64Array, mayBeginInside: boolean): boolean {
    let room = mayBeginInside ? Math.min(0, this.#envelope.clearance(from)) : 0;
    for (let k = 1; k <= LOOKS; k++) {
      for (let i = 0; i < from.length; i++) this.#look[i] = from[i]! + (k / LOOKS) * (to[i]! - from[i]!);
      const clearance = this.#envelope.clearance(this.#look);
      if (clearance < room) return false;
      room = Math.min(0, clearance);
    }
    return true;
  }
}
