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
}

/**
 * Runs until the controller has finished, and never returns to the event loop in between. Returns how the guardian
 * was lost, if it was.
 */
export function runLoop({ controller, pacer, parent, unixS, recorder }: LoopParts): GuardianLossCode {
  let loss: GuardianLossCode = GuardianLoss.NONE;
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
  }
  return loss;
}
