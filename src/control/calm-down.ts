import type { JerkLimiter } from '../core/motion/jerk-limiter.ts';
import { EventCode, type EventSink } from './event-codes.ts';
import type { Feedback } from './feedback.ts';
import type { Mode } from './mode.ts';

/** A stop that has not come to rest by then is damped as it is. */
const STOP_MOST_NS = 2e9;
const DAMP_LEAST_NS = 1e9;
const DAMP_MOST_NS = 5e9;

/** EMERGENCY_STOP and DAMPING: the command comes to rest, then the arm does, and then nothing is left to do. */
export class CalmDown {
  /** True once the arm is damped and at rest. */
  finished = false;
  readonly #mode: Mode;
  readonly #feedback: Feedback;
  readonly #limiter: JerkLimiter;
  readonly #events: EventSink;

  constructor(mode: Mode, feedback: Feedback, limiter: JerkLimiter, events: EventSink) {
    this.#mode = mode;
    this.#feedback = feedback;
    this.#limiter = limiter;
    this.#events = events;
  }

  /** A tick in EMERGENCY_STOP. */
  stopping(nowNs: number): void {
    if (this.#limiter.atRest || this.#mode.lastedNs(nowNs) >= STOP_MOST_NS) this.#mode.go(nowNs, 'atRest');
  }

  /** A tick in DAMPING. */
  damping(nowNs: number): void {
    const dampedNs = this.#mode.lastedNs(nowNs);
    if (dampedNs < DAMP_LEAST_NS || this.finished) return;
    if (dampedNs < DAMP_MOST_NS && (this.#feedback.gap || this.#feedback.moving)) return;
    this.finished = true;
    this.#events.push(nowNs, EventCode.FINISHED, 0, dampedNs / 1e9);
  }
}
