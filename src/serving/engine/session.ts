import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError, toMyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { InferOptions, Policy, PolicySpec, Subtask, SubtaskOptions } from '../../policies/policy.ts';
import type { LoadedPolicy } from './loaded-policy.ts';
import { EngineRequest, type PendingRequest, type RequestTiming } from './request.ts';

export interface EngineInferOptions extends InferOptions {
  /** Milliseconds from the call in which there must be an answer. Default: the engine's. */
  readonly deadlineMs?: number;
}

export interface EngineSubtaskOptions extends SubtaskOptions {
  readonly deadlineMs?: number;
}

export interface SessionSettings {
  readonly loaded: LoadedPolicy;
  /** Who it is, for people. */
  readonly client: string;
  readonly deadlineMs: number;
  /** Monotonic time, ms. */
  readonly nowMs: () => number;
  readonly onClose: () => void;
}

type Kind = 'infer' | 'subtask';

/** Observations kept for the next inference, beside its own: models look back on two or three. */
const MOST_SHOWN = 4;

/**
 * One client's view of a policy. Of each kind of request one waits at most: a newer one takes its place in the line,
 * and the older one is settled with REQUEST_REPLACED. What a policy remembers of an episode is the session's own.
 */
export class EngineSession implements Disposable {
  readonly client: string;
  readonly #settings: SessionSettings;
  readonly #policy: Policy;
  readonly #ownMemory: boolean;
  readonly #waiting = new Map<Kind, PendingRequest>();
  readonly #open = new Set<PendingRequest>();
  /** Shown, and not seen by the policy yet; oldest first. */
  #shown: Observation[] = [];
  /** Step of the last inference: what is shown late is of no use any more. */
  #inferredTimestep = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(settings: SessionSettings) {
    this.#settings = settings;
    this.client = settings.client;
    const { policy, own } = settings.loaded.memory();
    this.#policy = policy;
    this.#ownMemory = own;
    settings.loaded.sessions += 1;
  }

  get spec(): PolicySpec {
    return this.#policy.spec;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether `observe` is of use: the policy looks back, and on nobody else's observations. */
  get looksBack(): boolean {
    return this.#policy.observe !== undefined && (this.#ownMemory || this.#settings.loaded.sessions === 1);
  }

  /**
   * Shows an observation that no action is asked for. A policy that looks back sees it right before this session's
   * next inference of a later step, in the order of steps; of many only the newest few. Others ignore it.
   */
  observe(observation: Observation): void {
    if (this.#closed || !this.looksBack) return;
    this.#shown.push(observation);
    if (this.#shown.length > MOST_SHOWN) this.#shown.shift();
  }

  /**
   * A chunk for the observation, and the time it took.
   * @throws MyelinError REQUEST_REPLACED, DEADLINE_EXCEEDED, REQUEST_CANCELLED, SESSION_CLOSED, and what the policy
   *   throws
   * @example
   * const { chunk, timing } = await session.infer(observation, { deadlineMs: 500 });
   */
  async infer(
    observation: Observation,
    options: EngineInferOptions = {},
  ): Promise<{ chunk: ActionChunk; timing: RequestTiming }> {
    const { deadlineMs, signal, ...rest } = options;
    const { result, timing } = await this.#ask('infer', { deadlineMs, signal }, (running) => {
      this.#lookBack(observation.timestep);
      return this.#policy.infer(observation, { ...rest, signal: running });
    });
    return { chunk: result, timing };
  }

  /** @throws MyelinError SUBTASKS_UNSUPPORTED, and as `infer` does */
  async generateSubtask(
    observation: Observation,
    options: EngineSubtaskOptions,
  ): Promise<{ subtask: Subtask; timing: RequestTiming }> {
    const { deadlineMs, signal, ...rest } = options;
    const { result, timing } = await this.#ask('subtask', { deadlineMs, signal }, async (running) => {
      const answer = this.#policy.generateSubtask?.(observation, { ...rest, signal: running });
      if (answer === undefined)
        throw new MyelinError('SUBTASKS_UNSUPPORTED', { policy: this.#policy.spec.name });
      return answer;
    });
    return { subtask: result, timing };
  }

  /** A new episode: what the policy remembers of this client's is forgotten. Requests under way go on. */
  reset(): void {
    if (this.#closed) return;
    this.#shown = [];
    this.#inferredTimestep = Number.NEGATIVE_INFINITY;
    // A memory that all share is nobody's to forget while others are there.
    if (this.#ownMemory || this.#settings.loaded.sessions === 1) {
      this.#settings.loaded.turns.enter(() => {
        this.#policy.reset();
        return undefined;
      });
    }
  }

  /** Settles what is under way with SESSION_CLOSED. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#shown = [];
    const error = new MyelinError('SESSION_CLOSED', { client: this.client });
    for (const request of this.#open) request.fail(error);
    // A memory of the client's own goes with it; a policy elsewhere may keep a place for it.
    if (this.#ownMemory) void this.#policy.close().catch(() => undefined);
    this.#settings.loaded.sessions -= 1;
    this.#settings.onClose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #ask<Result>(
    kind: Kind,
    { deadlineMs, signal }: { deadlineMs: number | undefined; signal: AbortSignal | undefined },
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<{ result: Result; timing: RequestTiming }> {
    if (this.#closed) throw new MyelinError('SESSION_CLOSED', { client: this.client });
    const { loaded, nowMs, deadlineMs: standardMs } = this.#settings;
    loaded.counts.requests += 1;
    const request = new EngineRequest({ work, signal, nowMs, deadlineMs: deadlineMs ?? standardMs });
    const older = this.#waiting.get(kind);
    this.#waiting.set(kind, request);
    this.#open.add(request);
    // The place in the line is the client's: the newest request finds the turn of the one it replaces.
    if (older === undefined || older.settled) loaded.turns.enter(() => this.#takeTurn(kind));
    older?.fail(new MyelinError('REQUEST_REPLACED'));
    try {
      const answer = await request.answer;
      loaded.counts.answered += 1;
      loaded.counts.modelMs += answer.timing.modelMs;
      loaded.counts.queueMs += answer.timing.queueMs;
      return answer;
    } catch (thrown) {
      this.#count(toMyelinError(thrown));
      throw thrown;
    } finally {
      this.#open.delete(request);
    }
  }

  /** Gives the policy what was shown since its last inference and before this one. */
  #lookBack(timestep: number): void {
    const due = this.#shown.filter(
      (shown) => shown.timestep > this.#inferredTimestep && shown.timestep < timestep,
    );
    this.#shown = this.#shown.filter((shown) => shown.timestep > timestep);
    this.#inferredTimestep = timestep;
    for (const observation of due.sort((a, b) => a.timestep - b.timestep)) {
      try {
        this.#policy.observe?.(observation);
      } catch {
        // An observation that does not fit is no better when actions are asked for: there it is told.
      }
    }
  }

  #takeTurn(kind: Kind): Promise<unknown> | undefined {
    const request = this.#waiting.get(kind);
    this.#waiting.delete(kind);
    return request === undefined || request.settled ? undefined : request.run();
  }

  #count({ code }: MyelinError): void {
    const { counts } = this.#settings.loaded;
    if (code === 'REQUEST_REPLACED') counts.replaced += 1;
    else if (code === 'DEADLINE_EXCEEDED') counts.expired += 1;
    else if (code !== 'REQUEST_CANCELLED' && code !== 'SESSION_CLOSED') counts.failed += 1;
  }
}
