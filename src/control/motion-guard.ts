import { ErrorBit } from '../core/control-state.ts';
import type { Envelope } from '../core/motion/envelope.ts';
import type { JerkLimiter } from '../core/motion/jerk-limiter.ts';
import { type ErrorLamps, LAMP_NS } from './error-lamps.ts';
import type { Feedback } from './feedback.ts';
import { HoldReason, LimitBit } from './limit-bits.ts';
import type { Mode } from './mode.ts';
import type { Target } from './target.ts';

export interface MotionGuardParts {
  readonly mode: Mode;
  readonly feedback: Feedback;
  readonly limiter: JerkLimiter;
  readonly envelope: Envelope;
  readonly lamps: ErrorLamps;
  readonly target: Target;
  /** Index of the gripper, and how far it may be told to go beyond where it is, m. */
  readonly gripper: number;
  readonly gripperMarginM: number;
}

/** Makes one step of the commanded pose out of whatever was decided: within limits, and free of obstacles. */
export class MotionGuard {
  readonly #parts: MotionGuardParts;

  constructor(parts: MotionGuardParts) {
    this.#parts = parts;
  }

  /** Whether the last {@link follow} was held up by the envelope. */
  get held(): boolean {
    return this.#parts.envelope.held;
  }

  /** A step towards the target. Returns {@link LimitBit}s. */
  follow(nowNs: number): number {
    const { mode, limiter, envelope, lamps, target } = this.#parts;
    let bits = this.#limitGripper();
    bits |= envelope.guide(limiter, target.position, target.velocity);
    if (envelope.held) {
      bits |= LimitBit.ENVELOPE;
      lamps.raise(ErrorBit.COLLISION, nowNs, LAMP_NS);
      mode.hold(nowNs, HoldReason.COLLISION);
    } else if (mode.holdReason === HoldReason.COLLISION) {
      mode.hold(nowNs, HoldReason.NONE);
    }
    limiter.accept();
    return bits;
  }

  /** A step of coming to rest; the target is where that ends. */
  brake(): void {
    const { limiter, target } = this.#parts;
    limiter.proposeBrake();
    if (!limiter.atRest) target.position.set(limiter.next.stop);
    limiter.accept();
  }

  /** A gripper that cannot follow has something in it: its target stays near where it is. */
  #limitGripper(): number {
    const { feedback, limiter, target, gripper: i, gripperMarginM: margin } = this.#parts;
    const measured = feedback.state.position[i]!;
    const ahead = limiter.position[i]! - measured;
    const wanted = target.position[i]! - measured;
    if (Math.abs(ahead) <= margin || ahead * wanted <= 0 || Math.abs(wanted) <= margin) return 0;
    target.position[i] = measured + Math.sign(wanted) * margin;
    target.velocity[i] = 0;
    return LimitBit.GRIPPER;
  }
}
