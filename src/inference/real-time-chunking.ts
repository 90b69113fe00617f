import type { ActionPlan } from '../core/action-plan.ts';
import { MyelinError } from '../core/errors.ts';
import type {
  PolicySpec,
  PullSchedule,
  RealTimeChunk,
  RealTimeMode,
  RealTimeSupport,
} from '../policies/policy.ts';
import { LatencyWindow } from './latency-window.ts';

/** What is left out is as the checkpoint has it. */
export interface RealTimeOptions {
  readonly mode?: RealTimeMode;
  /** Rows. */
  readonly executionHorizon?: number;
  readonly schedule?: PullSchedule;
  readonly maxGuidance?: number;
}

/** Chunks in a row that may come later than what they were fixed for. */
const MOST_LATE = 5;

/**
 * Real-time chunking on the robot's side: asks the policy for a chunk that continues what is planned, and judges
 * whether the answer came in time. The queue is LeRobot's as of its pull request 4454: rows that were executed
 * meanwhile are dropped and no more, a plan that is shorter than the horizon goes on as its last row, and the first,
 * cold inference says nothing of the delay.
 */
export class RealTimeChunking {
  readonly #options: RealTimeOptions;
  readonly #onEvent: (text: string) => void;
  readonly #latency = new LatencyWindow();
  #late = 0;
  #unsupported = false;
  #gaveUpTrained = false;

  constructor(options: RealTimeOptions, onEvent: (text: string) => void) {
    this.#options = options;
    this.#onEvent = onEvent;
  }

  /**
   * What to ask for with an observation taken now; undefined when there is nothing to continue.
   * @throws MyelinError INVALID_ARGUMENT when the policy was not trained for what is wanted
   */
  request(plan: ActionPlan, spec: PolicySpec, nowNs: number): RealTimeChunk | undefined {
    // A policy far away tells what it can with its first answer.
    if (plan.depthAt(nowNs) === 0) return undefined;
    const support = this.#support(spec);
    if (support === undefined) return undefined;
    checkRealTime(this.#options, spec);
    const { mode: wanted = support.mode, ...settings } = this.#options;
    const mode = this.#gaveUpTrained ? 'guided' : wanted;
    const timestep = plan.timestepAt(nowNs);
    const left = plan.rowsFrom(timestep);
    const held = left.length / plan.dof;
    const { mostNs } = this.#latency;
    const begun =
      mostNs === undefined
        ? mode === 'trained'
          ? support.trainedDelay
          : 1
        : plan.timestepAt(nowNs + mostNs) - timestep + 1;
    const most = mode === 'trained' ? Math.min(held, support.trainedDelay) : held;
    const horizon = Math.min(settings.executionHorizon ?? support.executionHorizon, spec.chunkRows);
    const rows = mode === 'trained' ? Math.max(horizon, support.trainedDelay) : horizon;
    return {
      ...settings,
      mode,
      previous: heldTo(left, rows, plan.dof),
      rows,
      delaySteps: Math.min(begun, most),
    };
  }

  /** Takes note of an answer. False when it must not be used: rows it does not continue have been begun. */
  accept(asked: RealTimeChunk | undefined, plan: ActionPlan, timestep: number, times: Times): boolean {
    this.#latency.answered(times.nowNs - times.observedNs);
    if (asked?.mode !== 'trained') return true;
    // Past its end a plan is not executed any further, however late the answer is.
    const planned = plan.rowsFrom(timestep).length / plan.dof;
    const begun = Math.min(plan.timestepAt(times.nowNs) - timestep + 1, planned);
    if (begun <= asked.delaySteps || plan.depthAt(times.nowNs) === 0) {
      this.#late = 0;
      return true;
    }
    this.#late += 1;
    const text = `dropped a chunk that came after ${begun} steps and continues ${asked.delaySteps}`;
    if (this.#late < MOST_LATE) this.#onEvent(text);
    else {
      this.#gaveUpTrained = true;
      this.#onEvent(`${text}, the ${MOST_LATE}th in a row: from now on guided, which bears any delay`);
    }
    return false;
  }

  failed(): void {
    this.#latency.failed();
  }

  #support({ realTime, name }: PolicySpec): RealTimeSupport | undefined {
    if (realTime === undefined && !this.#unsupported)
      this.#onEvent(`${name} cannot continue a running chunk: chunks are aggregated as without --rtc`);
    this.#unsupported = realTime === undefined;
    return realTime;
  }
}

/** @throws MyelinError INVALID_ARGUMENT when the policy was not trained for what is wanted */
export function checkRealTime({ mode }: RealTimeOptions, { realTime }: PolicySpec): void {
  if (mode !== 'trained' || realTime === undefined || realTime.trainedDelay > 0) return;
  throw new MyelinError('INVALID_ARGUMENT', {
    name: '--rtc',
    value: 'trained',
    allowed: 'guided: the checkpoint was not trained to continue chunks',
  });
}

interface Times {
  readonly observedNs: number;
  readonly nowNs: number;
}

/** The first `rows` rows; where there are fewer, the last one again: zeros would be a pose of their own. */
function heldTo(left: Float64Array, rows: number, dof: number): Float64Array {
  const out = new Float64Array(rows * dof);
  const last = Math.max(0, left.length - dof);
  for (let row = 0; row < rows; row++)
    out.set(left.subarray(Math.min(row * dof, last), Math.min(row * dof, last) + dof), row * dof);
  return out;
}
