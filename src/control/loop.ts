import type { Pacer } from './pacer.ts';
import { GuardianLoss, type GuardianLossCode, type ParentWatch } from './parent-watch.ts';
import type { TickRecorder } from './tick-recorder.ts';

/** What the loop drives: the controller, as far as the loop needs to know it. */
export interface Ticked {
  /** One tick: read, decide, limit, write. */
  tick(nowNs: number, unixS: number): void;
  /** Nobody watches over the loop any more: the arm has to come to rest. May be called again. */
  guardianLost(nowNs: number): void;
  /** The arm is damped and at rest; the process may end. */
  readonly finished: boolean;
}

export interface LoopParts {
  readonly controller: Ticked;
  readonly pacer: Pacer;
  readonly parent: ParentWatch;
  readonly unixS: () => number;
  readonly recorder?: TickRecorder | undefined;
  /** Collects what has become garbage since; takes a fraction of a millisecond. */
  readonly collectGarbage?: (() => void) | undefined;
}

/** Few enough that garbage never fills the young generation by itself, which would happen at any moment of a tick. */
const TICKS_A_COLLECTION = 256;

/**
 * Runs until the controller has finished, and never returns to the event loop in between. Returns how the guardian
 * was lost, if it was.
 */
export function runLoop(parts: LoopParts): GuardianLossCode {
  const { controller, pacer, parent, unixS, recorder, collectGarbage } = parts;
  let loss: GuardianLossCode = GuardianLoss.NONE;
  let ticks = 0;
  pacer.start();
  while (!controller.finished) {
    const nowNs = pacer.wait();
    if (loss === GuardianLoss.NONE) {
      loss = parent.check(nowNs);
      if (loss !== GuardianLoss.NONE) controller.guardianLost(nowNs);
    }
    controller.tick(nowNs, unixS());
    pacer.done();
    recorder?.record();
    ticks = (ticks + 1) % TICKS_A_COLLECTION;
    // Now there is most time until the next deadline.
    if (ticks === 0) collectGarbage?.();
  }
  return loss;
}
