import { ErrorBit } from '../core/control-state.ts';
import { type ChunkIntake, Intake } from './chunk-intake.ts';
import { type ErrorLamps, LAMP_NS } from './error-lamps.ts';
import type { Feedback } from './feedback.ts';
import type { HeartbeatWatch } from './heartbeat-watch.ts';
import { HoldReason } from './limit-bits.ts';
import type { Mode } from './mode.ts';
import type { Target } from './target.ts';

export interface PlanFollowerParts {
  readonly mode: Mode;
  readonly feedback: Feedback;
  readonly intake: ChunkIntake;
  readonly heartbeat: HeartbeatWatch;
  readonly lamps: ErrorLamps;
  readonly target: Target;
  readonly commandTimeoutNs: number;
  readonly watchdogTimeoutNs: number;
}

/** RUNNING: the target follows the commander's chunks while they are good, recent, and their sender lives. */
export class PlanFollower {
  readonly #parts: PlanFollowerParts;
  readonly #still: Float64Array;
  /** When there last was an action to execute, ns. */
  readonly #freshNs = new Float64Array(1);
  /** The next plan starts from where the arm is, not from where it was told to be. */
  #resync = true;
  #refusedLast = false;
  #silent = false;

  constructor(parts: PlanFollowerParts) {
    this.#parts = parts;
    this.#still = new Float64Array(parts.target.position.length);
  }

  /** Forgets the plan before and gives the commander the whole of both timeouts. */
  restart(nowNs: number): void {
    this.#parts.intake.stop();
    this.#parts.heartbeat.restart(nowNs);
    this.#resync = true;
    this.#refusedLast = false;
    this.#freshNs[0] = nowNs;
  }

  /** Takes in signs of life and chunks. Once a tick, in every state. */
  listen(nowNs: number): void {
    const { heartbeat, intake, watchdogTimeoutNs } = this.#parts;
    // In this order: a commander gives its heartbeat before its chunk.
    intake.poll(nowNs);
    this.#silent = heartbeat.silentNs(nowNs) >= watchdogTimeoutNs;
  }

  /** Returns true when the arm is to follow the target, false when it is to come to rest. `ready`: it is stiff. */
  decide(nowNs: number, ready: boolean): boolean {
    const { mode, feedback, lamps } = this.#parts;
    if (this.#silent) {
      lamps.raise(ErrorBit.TIMEOUT | ErrorBit.WATCHDOG, nowNs, Number.POSITIVE_INFINITY);
      mode.go(nowNs, 'watchdog');
      mode.hold(nowNs, HoldReason.WATCHDOG);
      return false;
    }
    if (feedback.gap || !ready) {
      mode.hold(nowNs, ready ? HoldReason.NO_FEEDBACK : HoldReason.NO_FRESH_ACTION);
      this.#resync = true;
      if (!ready) this.#freshNs[0] = nowNs;
      return false;
    }
    this.#takeChunk(nowNs);
    return this.#play(nowNs);
  }

  #takeChunk(nowNs: number): void {
    const { feedback, intake, lamps, target } = this.#parts;
    const { player } = intake;
    if (player.playing) player.sample(nowNs, target.position, target.velocity);
    const fromWhere = this.#resync ? feedback.state.position : target.position;
    const howFast = this.#resync ? this.#still : target.velocity;
    const taken = intake.take(nowNs, fromWhere, howFast, this.#resync);
    if (taken === Intake.REFUSED) {
      this.#refusedLast = true;
      lamps.raise(ErrorBit.SAFETY, nowNs, LAMP_NS);
    } else if (taken === Intake.TAKEN) {
      this.#refusedLast = false;
      this.#resync = false;
    }
  }

  #play(nowNs: number): boolean {
    const { mode, intake, heartbeat, lamps, target, commandTimeoutNs } = this.#parts;
    const { player } = intake;
    if (player.playing) {
      this.#freshNs[0] = Math.max(this.#freshNs[0]!, nowNs - Math.max(player.runOutNs(nowNs), 0));
    }
    // Who promised heartbeats is believed as long as they come; a script of the first page has promised nothing.
    const abandoned = player.playing && intake.sequence !== 0 && heartbeat.overdue(nowNs);
    const timedOut = abandoned || nowNs - this.#freshNs[0]! >= commandTimeoutNs;
    if (timedOut) lamps.raise(ErrorBit.TIMEOUT, nowNs, Number.POSITIVE_INFINITY);
    if (timedOut || !player.playing) {
      mode.hold(nowNs, this.#refusedLast ? HoldReason.CHUNK_REFUSED : HoldReason.NO_FRESH_ACTION);
      if (timedOut) {
        player.stop();
        this.#resync = true;
      }
      return false;
    }
    lamps.clear(ErrorBit.TIMEOUT, nowNs);
    mode.moveOn(nowNs);
    player.sample(nowNs, target.position, target.velocity);
    return true;
  }
}
