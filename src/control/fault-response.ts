import type { CanBusStats } from '../buses/can.ts';
import { ControlState, ErrorBit } from '../core/control-state.ts';
import { type ErrorLamps, LAMP_NS } from './error-lamps.ts';
import { EventCode, type EventSink, FaultKind, type FaultKindName } from './event-codes.ts';
import { FAULT_ERRORS, type FaultMonitor } from './fault-monitor.ts';
import type { Feedback } from './feedback.ts';
import type { Mode } from './mode.ts';

const FAULT_BITS = Object.fromEntries(
  (Object.keys(FaultKind) as FaultKindName[]).map((name) => [FaultKind[name], FAULT_ERRORS[name]]),
) as Readonly<Record<number, number>>;

export interface FaultResponseParts {
  readonly mode: Mode;
  readonly feedback: Feedback;
  readonly monitor: FaultMonitor;
  readonly lamps: ErrorLamps;
  readonly events: EventSink;
  readonly busStats: Readonly<CanBusStats> | undefined;
  readonly feedbackTimeoutNs: number;
}

/** What follows from a fault: anything found wrong stops the arm, once and for all; a warning only shows. */
export class FaultResponse {
  readonly #parts: FaultResponseParts;
  /** Warnings of the tick before: each is told of once. */
  #warned = 0;

  constructor(parts: FaultResponseParts) {
    this.#parts = parts;
  }

  /** Looks for faults, once a tick. `stiff` says that the motors hold the `commanded` pose. */
  watch(nowNs: number, commanded: Float64Array, stiff: boolean): void {
    const { mode, feedback, monitor, lamps, events, busStats, feedbackTimeoutNs } = this.#parts;
    if (mode.state === ControlState.DAMPING || !feedback.found) {
      if (!feedback.found && mode.lastedNs(nowNs) > feedbackTimeoutNs) {
        this.stop(nowNs, FaultKind.FEEDBACK_LOST);
      }
      return;
    }
    const kind = monitor.check(feedback.state, commanded, stiff);
    if (kind !== FaultKind.NONE) this.stop(nowNs, kind);
    else if (busStats?.busOff === true) this.stop(nowNs, FaultKind.BUS);
    const { warnings } = monitor;
    if (warnings !== 0) {
      if ((warnings & ~this.#warned) !== 0) {
        events.push(nowNs, EventCode.WARM, 0, monitor.joint, monitor.found[0]!);
      }
      lamps.raise(warnings, nowNs, LAMP_NS);
    }
    this.#warned = warnings;
    if (feedback.gap) lamps.raise(ErrorBit.COMMUNICATION, nowNs, LAMP_NS);
  }

  /** Nobody watches over the loop any more. May be called again. */
  guardianLost(nowNs: number): void {
    const { lamps, events } = this.#parts;
    if ((lamps.bits & ErrorBit.GUARDIAN) === 0) events.push(nowNs, EventCode.GUARDIAN_LOST);
    this.stop(nowNs, FaultKind.GUARDIAN);
  }

  /** Stops the arm for a {@link FaultKind}. Without feedback, or with a dead bus, there is no coming to rest first. */
  stop(nowNs: number, kind: number): void {
    const { mode, monitor, lamps, events } = this.#parts;
    const helpless = kind === FaultKind.FEEDBACK_LOST || kind === FaultKind.BUS;
    const stopping = mode.state === ControlState.EMERGENCY_STOP || mode.state === ControlState.DAMPING;
    lamps.raise(FAULT_BITS[kind] ?? 0, nowNs, Number.POSITIVE_INFINITY);
    if (!stopping) {
      events.push(nowNs, EventCode.FAULT, kind, monitor.joint, monitor.found[0]!);
      events.push(nowNs, EventCode.STOPPING, helpless ? 2 : 1);
      mode.go(nowNs, 'fault');
    }
    if (helpless && mode.state === ControlState.EMERGENCY_STOP) mode.go(nowNs, 'atRest');
  }
}
