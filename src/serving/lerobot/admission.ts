/** What decides whether an observation is worth an inference. */
export interface Candidate {
  readonly timestep: number;
  readonly mustGo: boolean;
  readonly state: Float64Array;
  readonly task: string;
}

export interface AdmissionOptions {
  /** Two states are similar when no joint differs by as much, robot's units. 0 switches the test off. */
  readonly similarity: number;
}

/** 0.6 degrees for robots in radians; hardly more than noise for those in degrees. */
export const DEFAULT_SIMILARITY = 0.01;

/** A client that received actions for a step executes them and moves on; one that asks again after this did not. */
const REPEAT_MS = 1000;

/** Why an observation is not queued. */
export type Refusal = 'answered already' | 'similar to the last one';

/** Whether no joint differs by `tolerance` or more. */
export function statesSimilar(a: Float64Array, b: Float64Array, tolerance: number): boolean {
  return a.length === b.length && a.every((value, i) => Math.abs(value - (b[i] ?? Number.NaN)) < tolerance);
}

/**
 * Keeps observations from the model that would change nothing, as LeRobot's server does, without ever starving a
 * client: only an observation that was answered counts, a step that is asked for again is answered again, and a
 * robot that stands still gets its next chunk when half of the last one is over.
 */
export class Admission {
  readonly #similarity: number;
  readonly #answered = new Map<number, number>();
  #last: { readonly candidate: Candidate; readonly atMs: number; readonly coversMs: number } | undefined;

  constructor({ similarity }: AdmissionOptions) {
    this.#similarity = similarity;
  }

  /** Why it need not be answered; undefined when it must. */
  refusal(candidate: Candidate, nowMs: number): Refusal | undefined {
    const last = this.#last;
    if (candidate.mustGo || last === undefined) return undefined;
    const answeredMs = this.#answered.get(candidate.timestep);
    if (answeredMs !== undefined && nowMs - answeredMs < REPEAT_MS) return 'answered already';
    const fresh = nowMs - last.atMs < last.coversMs / 2;
    const same =
      candidate.task === last.candidate.task &&
      statesSimilar(candidate.state, last.candidate.state, this.#similarity);
    return fresh && same ? 'similar to the last one' : undefined;
  }

  /** @param coversMs how long the answer keeps the robot busy */
  answered(candidate: Candidate, coversMs: number, nowMs: number): void {
    for (const [timestep, atMs] of this.#answered)
      if (nowMs - atMs >= REPEAT_MS) this.#answered.delete(timestep);
    this.#answered.set(candidate.timestep, nowMs);
    this.#last = { candidate, atMs: nowMs, coversMs };
  }

  /** Another episode, or another client. */
  reset(): void {
    this.#answered.clear();
    this.#last = undefined;
  }
}
