import type { Observation } from '../../core/observation.ts';
import type { Policy, Subtask, SubtaskOptions } from '../policy.ts';
import { subtaskFault, type ValidityLimits } from './validity.ts';

export interface SubtaskTrackerSettings {
  readonly policy: Pick<Policy, 'generateSubtask'>;
  readonly options: SubtaskOptions;
  /** Time after which a subtask is asked for again, ms. Default: only when the task changes. */
  readonly refreshMs?: number | undefined;
  readonly limits?: ValidityLimits;
  /** Monotonic time, ms. */
  readonly now: () => number;
}

export interface SubtaskUpdate {
  /** What to act on now: the new one, or the previous when the new one is not fit; undefined when there is none. */
  readonly current: Subtask | undefined;
  /** What the policy answered. */
  readonly answered: Subtask;
  /** Why the answer was not taken. */
  readonly fault: string | undefined;
  readonly durationMs: number;
}

/** The subtask in force: asks for one when it is due, and keeps the previous one when the answer is not fit. */
export class SubtaskTracker {
  readonly #settings: SubtaskTrackerSettings;
  #current: Subtask | undefined;
  #task: string | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(settings: SubtaskTrackerSettings) {
    this.#settings = settings;
  }

  get current(): Subtask | undefined {
    return this.#current;
  }

  /** Whether to ask: another task than last time, or the refresh time is over. */
  isDue(task: string): boolean {
    const { refreshMs, now } = this.#settings;
    if (task !== this.#task) return true;
    return refreshMs !== undefined && now() - this.#askedMs >= refreshMs;
  }

  /** Asks for a subtask when one is due; undefined when none was. */
  async update(observation: Observation): Promise<SubtaskUpdate | undefined> {
    return this.isDue(observation.task) ? this.refresh(observation) : undefined;
  }

  /**
   * Asks for a subtask now. A subtask of another task is never kept.
   * @throws what the policy throws; the current subtask stays
   */
  async refresh(observation: Observation): Promise<SubtaskUpdate> {
    const { policy, options, limits, now } = this.#settings;
    if (policy.generateSubtask === undefined) throw new TypeError('this policy generates no subtasks');
    const started = now();
    const answered = await policy.generateSubtask(observation, options);
    if (observation.task !== this.#task) this.#current = undefined;
    this.#task = observation.task;
    this.#askedMs = started;
    const fault = subtaskFault(answered.text, limits);
    if (fault === undefined) this.#current = answered;
    return { current: this.#current, answered, fault, durationMs: now() - started };
  }

  /** Forgets the subtask: another episode begins. */
  reset(): void {
    this.#current = undefined;
    this.#task = undefined;
    this.#askedMs = Number.NEGATIVE_INFINITY;
  }
}
