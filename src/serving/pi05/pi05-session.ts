import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { InferOptions, PolicySpec, RealTimeChunk, Subtask } from '../../policies/policy.ts';
import { subtaskFault } from '../../policies/subtask/validity.ts';
import type { EngineInferOptions, EngineSession } from '../engine/session.ts';
import { readRealTimeSettings } from '../openpi/extension.ts';
import type { Pi05Answer } from './answers.ts';
import { DEFAULTS, type InferMessage, type UpdateMessage } from './messages.ts';
import { flatten, readImages, readState } from './read-observation.ts';

export interface Pi05SessionSettings {
  readonly session: EngineSession;
  readonly cameras?: Readonly<Record<string, string>> | undefined;
  readonly allowRandomImages?: boolean | undefined;
  /** Aborted when the client has gone. */
  readonly gone: AbortSignal;
  /** Monotonic time, ns. */
  readonly nowNs: () => number;
}

/** An answer but for what only the connection knows. */
export type Inference = Omit<Pi05Answer, 'status' | 'server_timing' | 'subtask_refresh_enabled'> & {
  readonly queueMs: number;
};

interface AskedSubtask {
  readonly subtask: Subtask;
  /** Why it is not acted on. */
  readonly fault: string | undefined;
  readonly queueMs: number;
  readonly modelMs: number;
}

/** What a server knows of one pi0.5 client: its latest observation, and the subtask in force. */
export class Pi05Session {
  readonly #settings: Pi05SessionSettings;
  #timestep = 0;
  /** Numbers observations as they arrive; pictures may take differently long to decode. */
  #arrivals = 0;
  #latest: { readonly observation: Observation; readonly arrival: number } | undefined;
  #decoding: { readonly maxDecodingSteps: number; readonly temperature: number } = DEFAULTS;
  #inForce: { readonly subtask: Subtask; readonly task: string } | undefined;
  /** One question at a time: the engine lets a newer one take the place of one that waits. */
  #question: Promise<unknown> = Promise.resolve();

  constructor(settings: Pi05SessionSettings) {
    this.#settings = settings;
  }

  get spec(): PolicySpec {
    return this.#settings.session.spec;
  }

  /** Whether there is anything to refresh a subtask from. */
  get hasObservation(): boolean {
    return this.#latest !== undefined;
  }

  /** @throws MyelinError SUBTASKS_UNSUPPORTED when the client expects what the policy cannot do */
  checkSubtasks(wanted: boolean): void {
    if (wanted && !this.spec.subtasks)
      throw new MyelinError('SUBTASKS_UNSUPPORTED', { policy: this.spec.name.replace(/\S*\//g, '') });
  }

  /** @throws MyelinError MESSAGE_INVALID, PICTURE_UNDECODABLE, OBSERVATION_MISMATCH, and what inference throws */
  async infer(message: InferMessage): Promise<Inference> {
    const { session, gone } = this.#settings;
    this.checkSubtasks(message.generate_subtask === true);
    if (message.reset) this.reset();
    this.#timestep = message.timestep ?? this.#timestep + 1;
    const { observation, madeUp } = await this.#observe(message, message.high_level_prompt);
    this.#decoding = { maxDecodingSteps: message.max_decoding_steps, temperature: message.temperature };
    const common: EngineInferOptions = {
      signal: gone,
      ...(message.deadline_ms === undefined ? {} : { deadlineMs: message.deadline_ms }),
      ...(message.seed === undefined ? {} : { seed: message.seed }),
    };
    const asked =
      (message.generate_subtask ?? this.spec.subtasks) ? await this.#ask(observation, common) : undefined;
    const acted = message.generate_actions
      ? await this.#act(session, observation, message, common)
      : undefined;
    const subtaskMs = asked?.modelMs ?? 0;
    const actionMs = acted?.timing.modelMs ?? 0;
    return {
      request_id: message.request_id,
      actions: acted === undefined ? null : [rowsOf(acted.chunk)],
      subtask: asked?.subtask.text ?? null,
      subtask_tokens: asked === undefined ? null : [...asked.subtask.tokens],
      state: message.state == null ? null : [...observation.state],
      timing: { total_ms: subtaskMs + actionMs, action_ms: actionMs, subtask_ms: subtaskMs },
      queueMs: (asked?.queueMs ?? 0) + (acted?.timing.queueMs ?? 0),
      ...(asked?.fault === undefined ? {} : { subtask_fault: asked.fault }),
      ...(madeUp.length === 0 ? {} : { random_images: madeUp }),
    };
  }

  /** Takes what a client sees now, without asking for anything. @throws MyelinError as `infer` */
  async update(message: UpdateMessage): Promise<void> {
    const task = message.high_level_prompt ?? this.#latest?.observation.task;
    const seen = message.images !== undefined || message.state != null;
    if (task === undefined && !seen) return;
    if (seen) this.#timestep = message.timestep ?? this.#timestep + 1;
    const { observation } = await this.#observe(message, task ?? '');
    if (seen) this.#settings.session.observe(observation);
  }

  /**
   * A new subtask for the latest observation; the words in force when the answer is not fit.
   * @throws MyelinError POLICY_OUTPUT_INVALID when there are none, and what the policy throws
   */
  async refresh(): Promise<Subtask | undefined> {
    const latest = this.#latest;
    if (latest === undefined) return undefined;
    const { subtask, fault } = await this.#ask(latest.observation, { signal: this.#settings.gone });
    if (fault === undefined) return subtask;
    const inForce = this.#subtaskOf(latest.observation.task);
    if (inForce === undefined)
      throw new MyelinError('POLICY_OUTPUT_INVALID', {
        detail: `a subtask that is no instruction: ${fault}`,
      });
    return inForce;
  }

  reset(): void {
    this.#settings.session.reset();
    this.#inForce = undefined;
    this.#timestep = 0;
  }

  close(): void {
    this.#settings.session.close();
  }

  async #observe(
    { images, state }: Pick<UpdateMessage, 'images' | 'state'>,
    task: string,
  ): Promise<{ observation: Observation; madeUp: string[] }> {
    this.#arrivals += 1;
    const arrival = this.#arrivals;
    const nowNs = this.#settings.nowNs();
    const before = this.#latest?.observation;
    const pose = state === undefined ? (before?.state ?? new Float64Array(0)) : readState(state);
    const { cameras, madeUp } =
      images === undefined
        ? { cameras: before?.cameras ?? new Map(), madeUp: [] }
        : await readImages(images, this.spec, { ...this.#settings, nowNs });
    const observation: Observation = {
      timestep: this.#timestep,
      timestampNs: nowNs,
      state: pose,
      velocity: new Float64Array(pose.length),
      cameras,
      task,
    };
    if (arrival > (this.#latest?.arrival ?? 0)) this.#latest = { observation, arrival };
    return { observation, madeUp };
  }

  #ask(observation: Observation, common: EngineInferOptions): Promise<AskedSubtask> {
    const answer = this.#question.then(async () => {
      const { signal, deadlineMs, seed } = common;
      const { subtask, timing } = await this.#settings.session.generateSubtask(observation, {
        ...this.#decoding,
        ...(signal === undefined ? {} : { signal }),
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(seed === undefined ? {} : { seed }),
      });
      const fault = subtaskFault(subtask.text);
      if (fault === undefined) this.#inForce = { subtask, task: observation.task };
      return { subtask, fault, ...timing };
    });
    this.#question = answer.catch(() => undefined);
    return answer;
  }

  #act(session: EngineSession, observation: Observation, message: InferMessage, common: EngineInferOptions) {
    const words = message.low_level_prompt;
    const subtask = words === undefined ? this.#subtaskOf(observation.task) : { text: words };
    const { noise, num_steps: flowSteps, real_time_chunk: chunk } = message;
    const options: InferOptions = {
      ...(noise == null ? {} : { noise: Float32Array.from(flatten('noise', noise)) }),
      ...(flowSteps === undefined ? {} : { flowSteps }),
      ...(chunk === undefined ? {} : { realTimeChunk: realTimeChunk(chunk) }),
      ...(subtask === undefined ? {} : { subtask }),
    };
    return session.infer(observation, { ...common, ...options });
  }

  /** The words in force, if they are of this task. */
  #subtaskOf(task: string): Subtask | undefined {
    return this.#inForce?.task === task ? this.#inForce.subtask : undefined;
  }
}

function realTimeChunk(chunk: NonNullable<InferMessage['real_time_chunk']>): RealTimeChunk {
  const rows = Array.isArray(chunk.previous) ? chunk.previous.length : (chunk.previous.shape[0] ?? 0);
  const previous = flatten('real_time_chunk.previous', chunk.previous);
  return { previous, rows, ...readRealTimeSettings(chunk) };
}

function rowsOf({ actions, rows, dof }: ActionChunk): number[][] {
  return Array.from({ length: rows }, (_, row) => [...actions.subarray(row * dof, (row + 1) * dof)]);
}
