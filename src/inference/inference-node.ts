import { ActionPlan } from '../core/action-plan.ts';
import type { AggregateName } from '../core/aggregation.ts';
import type { ActionChunk } from '../core/chunk.ts';
import { chunkDue } from '../core/chunk-due.ts';
import type { Clock } from '../core/clock.ts';
import { ControlState, Request } from '../core/control-state.ts';
import { toMyelinError } from '../core/errors.ts';
import type { Observation } from '../core/observation.ts';
import type { Policy, RealTimeChunk, Subtask } from '../policies/policy.ts';
import type { SubtaskTracker } from '../policies/subtask/tracker.ts';
import type { ArmSnapshot } from '../segment/arm-segment.ts';
import { ArmLink } from './arm-link.ts';
import { type CameraBinding, CameraSet } from './camera-set.ts';
import { checkRealTime, RealTimeChunking, type RealTimeOptions } from './real-time-chunking.ts';
import { Starvation, type StarvationOptions } from './starvation.ts';

export interface InferenceNodeOptions {
  readonly policy: Policy;
  readonly segment: string;
  readonly cameras: readonly CameraBinding[];
  /** Object poses, from a world that offers them. */
  readonly objects?: () => ReadonlyMap<string, Float64Array> | undefined;
  readonly clock: Clock;
  /** Most inferences a second. Default 30. */
  readonly inferenceHz?: number;
  readonly aggregateName?: AggregateName;
  /** A new chunk is asked for when at most this share of one is left, 0 to 1. Default 0.5. */
  readonly chunkSizeThreshold?: number;
  /** Rows used of each chunk. Default: what the policy says. */
  readonly actionsPerChunk?: number;
  /** Seconds between rows when the policy does not say. Default 1/30. */
  readonly stepPeriodS?: number;
  readonly flowSteps?: number;
  readonly task?: string;
  /** Asks the policy for a subtask when one is due, and has it act on that. */
  readonly subtasks?: SubtaskTracker;
  /** What to do when actions stop coming. Default: nothing more than that the arm holds. */
  readonly starvation?: StarvationOptions;
  /** Has the policy continue the chunk that runs, where it can. Default: chunks are aggregated. */
  readonly realTime?: RealTimeOptions;
  /** Something people should know. */
  readonly onEvent: (text: string) => void;
}

/** What the node is doing, for a display. */
export interface InferenceStatus {
  readonly attached: boolean;
  readonly controlState: number | undefined;
  readonly errors: number;
  readonly queueDepth: number;
  readonly queueCapacity: number;
  readonly inferenceMs: number;
  readonly frameAgeMs: number;
  readonly inferences: number;
  readonly failures: number;
  /** Why no actions are made just now; undefined when they are. */
  readonly waitingFor: string | undefined;
  /** What the policy acts on within the task, when it is asked for subtasks. */
  readonly subtask?: string | undefined;
}

const TICK_MS = 10;
const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 5000;

/**
 * Keeps an arm supplied with actions: pairs its state with the newest frames, asks the policy for a chunk when the
 * plan runs low, merges it by the time of its observation, publishes the plan. Heartbeats go out on a timer of
 * their own account, so neither a slow nor a failing policy ever looks like a dead process; while no actions come
 * the control process holds the arm.
 */
export class InferenceNode implements AsyncDisposable {
  readonly #options: InferenceNodeOptions;
  readonly #link: ArmLink;
  readonly #cameras: CameraSet;
  readonly #plan: ActionPlan;
  readonly #starvation: Starvation | undefined;
  readonly #realTime: RealTimeChunking | undefined;
  readonly #rowsPerChunk: number;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #inference: Promise<void> | undefined;
  #lastStartNs = Number.NEGATIVE_INFINITY;
  #retryNs = 0;
  #failuresInARow = 0;
  #wasRunning = false;
  #waitingFor: string | undefined;
  #told = '';
  #inferences = 0;
  #failures = 0;
  #inferenceMs = 0;
  #frameAgeMs = 0;
  #episode = 0;
  #shownTimestep: number | undefined;

  constructor(options: InferenceNodeOptions) {
    this.#options = options;
    const { policy, segment, clock, cameras, aggregateName = 'weighted_average' } = options;
    const { spec } = policy;
    this.#link = new ArmLink({ segment, clock, name: `infer: ${spec.name}` });
    this.#cameras = new CameraSet(cameras);
    this.#starvation = options.starvation === undefined ? undefined : new Starvation(options.starvation);
    const { realTime, onEvent } = options;
    if (realTime !== undefined) checkRealTime(realTime, spec);
    this.#realTime = realTime === undefined ? undefined : new RealTimeChunking(realTime, onEvent);
    // A chunk that is continued is wanted whole: its end is what the next one is made to fit.
    const rows = options.actionsPerChunk ?? (realTime === undefined ? spec.actionSteps : spec.chunkRows);
    this.#rowsPerChunk = Math.max(1, Math.min(rows, spec.chunkRows));
    this.#plan = new ActionPlan({
      dof: spec.actionNames.length,
      stepPeriodS: spec.stepPeriodS ?? options.stepPeriodS ?? 1 / 30,
      aggregateName,
    });
  }

  get status(): InferenceStatus {
    const fields = this.#link.segment?.fields;
    return {
      attached: this.#link.ready,
      controlState: fields?.controlState,
      errors: fields?.errors ?? 0,
      queueDepth: this.#plan.depthAt(this.#options.clock.nowNs()),
      queueCapacity: this.#rowsPerChunk,
      inferenceMs: this.#inferenceMs,
      frameAgeMs: this.#frameAgeMs,
      inferences: this.#inferences,
      failures: this.#failures,
      waitingFor: this.#waitingFor,
      subtask: this.#options.subtasks?.current?.text,
    };
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  /** START or PAUSE, whichever changes something now. */
  toggle(): void {
    const running = this.#link.segment?.fields.controlState === ControlState.RUNNING;
    this.#link.request(running ? Request.PAUSE : Request.START);
  }

  /** Sets a request. False when there is no arm to hear it. */
  request(request: keyof typeof Request): boolean {
    return this.#link.request(Request[request]);
  }

  /** Stops making actions, gives the lease back, closes the policy. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#abort.abort();
    this.#link.close();
    this.#cameras.close();
    await this.#inference;
    await this.#options.policy.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tick(): void {
    const { clock } = this.#options;
    if (this.#link.refresh()) this.#introduce();
    const nowNs = clock.nowNs();
    const arm = this.#link.read();
    this.#waitingFor = this.#consider(arm, nowNs);
    if (this.#waitingFor !== undefined) this.#tellOnce(this.#waitingFor);
    this.#publishTelemetry(nowNs);
  }

  /** Starts an inference when one is due. Returns what keeps it from making actions, if anything does. */
  #consider(arm: ArmSnapshot | undefined, nowNs: number): string | undefined {
    if (!this.#link.ready || arm === undefined) {
      this.#leaveRunning(nowNs);
      return this.#link.problem === undefined ? 'the arm' : `the arm: ${this.#link.problem.message}`;
    }
    if (arm.controlState !== ControlState.RUNNING) {
      this.#leaveRunning(nowNs);
      return 'START';
    }
    this.#wasRunning = true;
    this.#feel(nowNs);
    this.#show(arm, nowNs);
    if (this.#inference !== undefined || nowNs < this.#retryNs) return undefined;
    const { inferenceHz = 30, chunkSizeThreshold = 0.5 } = this.#options;
    if (nowNs - this.#lastStartNs < 1e9 / inferenceHz) return undefined;
    if (!chunkDue(this.#plan.depthAt(nowNs), this.#rowsPerChunk, chunkSizeThreshold)) return undefined;

    const view = this.#cameras.look(nowNs);
    this.#frameAgeMs = view.ageMs;
    if (view.problem !== undefined) return view.problem;
    this.#told = '';
    this.#lastStartNs = nowNs;
    this.#inference = this.#infer(this.#observe(arm, view.frames, nowNs)).finally(() => {
      this.#inference = undefined;
    });
    return undefined;
  }

  /** Says when the arm has run out of actions, and sends it home when none come for long. */
  #feel(nowNs: number): void {
    const feeling = this.#starvation?.look(this.#plan.depthAt(nowNs), nowNs);
    if (feeling === 'starved') this.#options.onEvent('out of actions: the arm holds');
    if (feeling === 'home' && this.#link.request(Request.RESET))
      this.#options.onEvent('still no actions: the arm goes home, and waits for START');
  }

  /** Policies that look back see every step, whether or not they are asked for actions then. */
  #show(arm: ArmSnapshot, nowNs: number): void {
    const { policy } = this.#options;
    const timestep = this.#plan.timestepAt(nowNs);
    if (policy.observe === undefined || timestep === this.#shownTimestep) return;
    this.#shownTimestep = timestep;
    const { frames, problem } = this.#cameras.look(nowNs);
    if (problem !== undefined) return;
    try {
      policy.observe(this.#observe(arm, frames, nowNs));
    } catch {
      // An observation that does not fit is no better when actions are asked for: there it is told.
    }
  }

  #observe(arm: ArmSnapshot, frames: Observation['cameras'], nowNs: number): Observation {
    const objects = this.#options.objects?.();
    return {
      timestep: this.#plan.timestepAt(nowNs),
      timestampNs: nowNs,
      state: arm.position.slice(0, arm.dof),
      velocity: arm.velocity.slice(0, arm.dof),
      cameras: frames,
      task: this.#options.task ?? '',
      ...(objects === undefined ? {} : { objects }),
    };
  }

  async #infer(observation: Observation): Promise<void> {
    const { policy, flowSteps, clock } = this.#options;
    const episode = this.#episode;
    const startedNs = clock.nowNs();
    try {
      const asked = this.#realTime?.request(this.#plan, policy.spec, observation.timestampNs);
      const subtask = await this.#subtask(observation);
      const chunk = await policy.infer(observation, {
        signal: this.#abort.signal,
        ...(flowSteps === undefined ? {} : { flowSteps }),
        ...(subtask === undefined ? {} : { subtask }),
        ...(asked === undefined ? {} : { realTimeChunk: asked }),
      });
      const nowNs = clock.nowNs();
      this.#inferenceMs = (nowNs - startedNs) / 1e6;
      this.#inferences += 1;
      this.#failuresInARow = 0;
      if (episode === this.#episode) this.#take(chunk, nowNs, asked);
    } catch (thrown) {
      if (!this.#abort.signal.aborted) this.#fail(thrown, clock.nowNs());
    }
  }

  /** The subtask to act on, asked for anew when it is due. */
  async #subtask(observation: Observation): Promise<Subtask | undefined> {
    const { subtasks, onEvent } = this.#options;
    const update = await subtasks?.update(observation);
    if (update?.fault !== undefined) {
      // A model may answer anything; a terminal must not obey it.
      const shown = update.answered.text.replace(/\p{Cc}/gu, ' ');
      onEvent(`the subtask "${shown}" is not acted on: ${update.fault}`);
    } else if (update !== undefined) onEvent(`subtask: ${update.answered.text}`);
    return subtasks?.current;
  }

  #take(chunk: ActionChunk, nowNs: number, asked: RealTimeChunk | undefined): void {
    const { observedNs, timestep } = chunk;
    const inTime = this.#realTime?.accept(asked, this.#plan, timestep, { observedNs, nowNs }) ?? true;
    if (!inTime) return;
    const rows = Math.min(chunk.rows, this.#rowsPerChunk);
    if (this.#starvation !== undefined) {
      const pace = this.#starvation.pace(nowNs);
      if (pace !== 1) this.#options.onEvent('actions again after a while: slowly at first');
      this.#plan.setPace(pace, nowNs);
    }
    const merged = { ...chunk, rows };
    const { refused } =
      asked === undefined ? this.#plan.merge(merged, nowNs) : this.#plan.replace(merged, nowNs);
    if (refused !== undefined) this.#options.onEvent(`dropped a chunk that is ${refused}`);
    const future = this.#plan.future(nowNs);
    if (future !== undefined) this.#link.writer?.publish(future.chunk, future.startNs);
  }

  #fail(thrown: unknown, nowNs: number): void {
    const { message, hint } = toMyelinError(thrown);
    const pauseMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failuresInARow);
    this.#failuresInARow += 1;
    this.#failures += 1;
    this.#realTime?.failed();
    this.#retryNs = nowNs + pauseMs * 1e6;
    this.#options.onEvent(
      `the policy failed: ${message} (${hint}); the arm holds, trying again in ${pauseMs} ms`,
    );
  }

  /** After a pause the arm may be anywhere: old actions are void, and so is what the policy remembers. */
  #leaveRunning(nowNs: number): void {
    if (!this.#wasRunning) return;
    this.#wasRunning = false;
    this.#episode += 1;
    this.#plan.clear(nowNs);
    this.#starvation?.reset();
    this.#options.policy.reset();
    this.#options.subtasks?.reset();
  }

  #introduce(): void {
    const fields = this.#link.segment?.fields;
    if (fields === undefined) return;
    fields.policyName = this.#options.policy.spec.name;
    fields.task = this.#options.task ?? '';
    fields.queueCapacity = this.#rowsPerChunk;
    this.#told = '';
    this.#options.onEvent(`commands the ${fields.model} on ${fields.interfaceName}`);
    const { actionNames } = this.#options.policy.spec;
    if (actionNames.length !== fields.dof) {
      this.#options.onEvent(
        `the policy gives ${actionNames.length} numbers a row, the arm has ${fields.dof} joints: every chunk will be refused`,
      );
    }
  }

  #publishTelemetry(nowNs: number): void {
    const fields = this.#link.ready ? this.#link.segment?.fields : undefined;
    if (fields === undefined) return;
    fields.queueDepth = this.#plan.depthAt(nowNs);
    fields.inferenceMs = this.#inferenceMs;
    fields.frameAgeMs = this.#frameAgeMs;
    fields.inferences = this.#inferences;
    fields.inferenceErrors = this.#failures;
    fields.commanderPaused = this.#wasRunning ? 0 : 1;
  }

  #tellOnce(text: string): void {
    // Numbers in it change all the time; the same sentence is told once.
    const essence = text.replace(/[\d.]+/g, '');
    if (essence === this.#told) return;
    this.#told = essence;
    this.#options.onEvent(`waiting for ${text}`);
  }
}
