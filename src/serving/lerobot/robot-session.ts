import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import { monotonicNs } from '../../platform/clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { RequestTiming } from '../engine/request.ts';
import type { EngineInferOptions, EngineSession } from '../engine/session.ts';
import { Admission, type Candidate, type Refusal } from './admission.ts';
import { FrameRate } from './frame-rate.ts';
import type { RemotePolicyConfig, TimedActions, TimedObservation } from './messages.ts';
import { ObservationPlan, taskOf } from './observation-plan.ts';

export interface RobotSessionOptions {
  readonly engine: Engine;
  /** Who it is: address and port. */
  readonly client: string;
  /** Seconds between actions. */
  readonly stepPeriodS: number;
  /** How long a request for actions waits for an observation, ms. */
  readonly queueTimeoutMs: number;
  readonly similarity: number;
}

/** A policy that a client asked for, ready to run. */
interface Setup {
  readonly config: RemotePolicyConfig;
  readonly plan: ObservationPlan;
  readonly session: EngineSession;
}

interface Offered extends Candidate {
  readonly observation: TimedObservation;
}

export interface Answer {
  readonly actions: TimedActions;
  readonly timing: RequestTiming;
}

/**
 * One robot at the server: its policy, its newest observation (a queue of one, the latest wins) and its requests for
 * actions. Nothing of it is shared with other robots.
 */
export class RobotSession implements Disposable {
  readonly client: string;
  readonly #options: RobotSessionOptions;
  readonly #admission: Admission;
  #setup: Setup | undefined;
  #offered: Offered | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #rate = new FrameRate();
  #observationHz = 0;

  constructor(options: RobotSessionOptions) {
    this.#options = options;
    this.client = options.client;
    this.#admission = new Admission(options);
  }

  /** What it runs; undefined before the handshake. */
  get config(): RemotePolicyConfig | undefined {
    return this.#setup?.config;
  }

  /** Cameras the client sends and the policy does not look at. */
  get unusedCameras(): readonly string[] {
    return this.#setup?.plan.unused ?? [];
  }

  /** Whether its policy wants to see observations that no action is asked for. */
  get looksBack(): boolean {
    return this.#setup?.session.looksBack ?? false;
  }

  /** Mean rate of its observations since the episode began, Hz. */
  get observationHz(): number {
    return this.#observationHz;
  }

  /** A new episode: everything is forgotten but the policy. */
  ready(): void {
    this.#rate.reset();
    this.#offered = undefined;
    this.#admission.reset();
    this.#setup?.session.reset();
  }

  /** Loads the policy where needed. @throws MyelinError POLICY_NOT_ALLOWED, OBSERVATION_MISMATCH, ... */
  async setUp(config: RemotePolicyConfig): Promise<void> {
    const { engine, client } = this.#options;
    const loaded = await engine.open(config.pretrainedNameOrPath);
    const plan = new ObservationPlan(config, loaded.spec);
    const session = engine.session(loaded, client);
    this.#setup?.session.close();
    this.#setup = { config, plan, session };
    this.ready();
  }

  /**
   * Takes an observation in, in place of one that still waits.
   * @returns why it was not taken, if so
   * @throws MyelinError OBSERVATION_MISMATCH when it is not from this robot
   */
  offer(observation: TimedObservation): Refusal | undefined {
    const { plan, session } = this.#needSetup();
    const { timestep, mustGo } = observation;
    this.#observationHz = this.#rate.add(observation.timestampS);
    const state = plan.state(observation);
    const offered = { observation, timestep, mustGo, state, task: taskOf(observation) };
    // A policy that looks back was trained on every step, those without an answer among them.
    if (session.looksBack) session.observe(plan.observe(observation, state, monotonicNs()));
    const refusal = this.#admission.refusal(offered, performance.now());
    if (refusal !== undefined) return refusal;
    this.#offered = offered;
    const [next] = this.#waiting;
    next?.();
    return undefined;
  }

  /**
   * Actions for the newest observation, waiting for one if there is none.
   * @returns undefined when none came in time
   * @throws what the policy throws; the observation's step then counts as not answered
   */
  async actions(signal: AbortSignal): Promise<Answer | undefined> {
    const offered = await this.#take(signal);
    return offered === undefined ? undefined : this.#answer(offered, { signal });
  }

  /** Actions for this very observation, at once. */
  answer(observation: TimedObservation, options: EngineInferOptions): Promise<Answer> {
    const { plan } = this.#needSetup();
    const { timestep } = observation;
    const task = taskOf(observation);
    return this.#answer(
      { observation, timestep, mustGo: true, state: plan.state(observation), task },
      options,
    );
  }

  close(): void {
    this.#setup?.session.close();
    this.#setup = undefined;
    this.#offered = undefined;
    for (const wake of [...this.#waiting]) wake();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #answer(offered: Offered, options: EngineInferOptions): Promise<Answer> {
    const { plan, session, config } = this.#needSetup();
    const { observation, state } = offered;
    const { chunk, timing } = await session.infer(plan.observe(observation, state, monotonicNs()), options);
    const rows = Math.min(chunk.rows, config.actionsPerChunk);
    const { stepPeriodS } = this.#options;
    this.#admission.answered(offered, rows * stepPeriodS * 1000, performance.now());
    return { actions: timedActions(chunk, rows, observation, stepPeriodS), timing };
  }

  #needSetup(): Setup {
    if (this.#setup !== undefined) return this.#setup;
    throw new MyelinError('SESSION_CLOSED', { client: `${this.client}, which has not said what to run` });
  }

  /** The waiting observation, or the next one. */
  #take(signal: AbortSignal): Promise<Offered | undefined> {
    return new Promise((resolve) => {
      const take = (): void => {
        this.#waiting.delete(take);
        clearTimeout(timer);
        signal.removeEventListener('abort', take);
        const offered = this.#offered;
        if (!signal.aborted) this.#offered = undefined;
        resolve(signal.aborted ? undefined : offered);
      };
      const timer = setTimeout(take, this.#options.queueTimeoutMs);
      signal.addEventListener('abort', take);
      if (signal.aborted || this.#offered !== undefined) take();
      else this.#waiting.add(take);
    });
  }
}

/**
 * Action `i` belongs to the observation's step plus `i`, and is due `i` step periods after the observation was taken,
 * by the client's own clock.
 */
export function timedActions(
  { actions, dof }: ActionChunk,
  rows: number,
  { timestampS, timestep }: Pick<TimedObservation, 'timestampS' | 'timestep'>,
  stepPeriodS: number,
): TimedActions {
  return {
    actions: Float32Array.from(actions.subarray(0, rows * dof)),
    dof,
    rows: Array.from({ length: rows }, (_, i) => ({
      timestampS: timestampS + i * stepPeriodS,
      timestep: timestep + i,
    })),
  };
}
