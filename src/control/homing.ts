import { ErrorBit } from '../core/control-state.ts';
import type { JerkLimiter } from '../core/motion/jerk-limiter.ts';
import type { ErrorLamps } from './error-lamps.ts';
import { EventCode, type EventSink } from './event-codes.ts';
import type { Feedback } from './feedback.ts';
import { HoldReason } from './limit-bits.ts';
import type { Mode } from './mode.ts';
import { type ResetMotion, ResetPhase } from './reset-motion.ts';
import type { Target } from './target.ts';

/** A reset that the envelope holds up for this long is given up. */
const PATIENCE_NS = 1e9;
/** Home is reached when each joint is nearer than it could go in this time at its greatest speed, s. */
const NEAR_S = 1e-3;

export interface HomingParts {
  readonly mode: Mode;
  readonly feedback: Feedback;
  readonly motion: ResetMotion;
  readonly limiter: JerkLimiter;
  readonly lamps: ErrorLamps;
  readonly events: EventSink;
  readonly target: Target;
  readonly velocityMax: ArrayLike<number>;
}

/** RESETTING: comes to rest, finds a free way home and goes it, or gives up. */
export class Homing {
  readonly #parts: HomingParts;
  /** When the arm last was free to move, ns. */
  readonly #movedNs = new Float64Array(1);

  constructor(parts: HomingParts) {
    this.#parts = parts;
  }

  restart(nowNs: number): void {
    this.#parts.motion.cancel();
    this.#movedNs[0] = nowNs;
  }

  /** The arm made a step that nothing stood in the way of. */
  moved(nowNs: number): void {
    this.#movedNs[0] = nowNs;
  }

  /** Returns true when the arm is to follow the target, false when it is to come to rest. `ready`: it is stiff. */
  decide(nowNs: number, ready: boolean): boolean {
    const { mode, feedback, motion, limiter, lamps, events, target } = this.#parts;
    if (feedback.gap || !ready) {
      // The way home is looked for anew from wherever the arm comes to rest.
      motion.cancel();
      mode.hold(nowNs, HoldReason.NO_FEEDBACK);
      return false;
    }
    mode.moveOn(nowNs);
    if (motion.phase === ResetPhase.IDLE) {
      if (!limiter.atRest) return false;
      motion.begin(limiter.position);
    }
    const phase = motion.step(nowNs, target.position, target.velocity);
    const stuck = nowNs - this.#movedNs[0]! >= PATIENCE_NS;
    if (phase === ResetPhase.BLOCKED || (phase === ResetPhase.DONE && stuck)) {
      events.push(nowNs, EventCode.RESET_BLOCKED);
      lamps.raise(ErrorBit.SAFETY, nowNs, Number.POSITIVE_INFINITY);
      mode.go(nowNs, 'resetDone');
      return false;
    }
    if (phase === ResetPhase.DONE && limiter.atRest && this.#onTarget()) {
      mode.go(nowNs, 'resetDone');
      return false;
    }
    return phase !== ResetPhase.SEARCHING;
  }

  #onTarget(): boolean {
    const { limiter, target, velocityMax } = this.#parts;
    for (let i = 0; i < limiter.dof; i++) {
      if (Math.abs(target.position[i]! - limiter.position[i]!) > NEAR_S * velocityMax[i]!) return false;
    }
    return true;
  }
}
