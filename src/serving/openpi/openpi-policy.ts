import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { InferOptions, Policy, PolicySpec, Subtask, SubtaskOptions } from '../../policies/policy.ts';
import { untilAborted } from '../engine/until-aborted.ts';
import { type Rgb, resizeWithPad } from '../pictures/resize-with-pad.ts';
import type { ClientDialect, RemotePolicy } from './dialects/client-dialect.ts';
import { EXTENSION, type ExtendedRequest } from './extension.ts';
import { NdArray, toNumbers } from './ndarray.ts';
import type { NormStats } from './norm-stats.ts';
import type { OpenpiLink, OpenpiLinkOptions } from './openpi-link.ts';
import type { RobotKeys } from './robot-keys.ts';
import { isMap } from './wire-value.ts';

export interface OpenpiPolicyOptions extends Omit<OpenpiLinkOptions, 'onGreeting'> {
  /** Whose keys openpi's own server is to be sent: aloha, droid, libero or generic. Default generic. */
  readonly robot?: string | undefined;
  /** Cameras to send, where the server does not say. Default: the robot's. */
  readonly cameras?: readonly string[] | undefined;
  /** Numbers in an action, where the server does not say or answers padded ones. */
  readonly actionLength?: number | undefined;
  readonly chunkRows?: number | undefined;
  /** Rows meant to be executed before the next chunk. Default: half a chunk. */
  readonly actionSteps?: number | undefined;
  /** Seconds between rows, where the server does not say. Default 1/50 for aloha, else 1/15. */
  readonly stepPeriodS?: number | undefined;
  /** Statistics for servers that do not normalise; `none` when states and actions are normalised already. */
  readonly normStats?: NormStats | 'none' | undefined;
  /** Numbers a state is filled up to with zeros, after normalising. */
  readonly stateLength?: number | undefined;
}

export interface OpenpiPolicySettings {
  readonly options: OpenpiPolicyOptions;
  readonly link: OpenpiLink;
  readonly robot: RobotKeys;
  readonly dialect: ClientDialect;
  readonly remote: RemotePolicy;
  readonly spec: PolicySpec;
}

/** A policy on an openpi, SGLang, vLLM-Omni or Myelin server. */
export class OpenpiPolicy implements Policy {
  readonly spec: PolicySpec;
  readonly generateSubtask?: (observation: Observation, options: SubtaskOptions) => Promise<Subtask>;
  /** There for policies that look back, on servers that take it. */
  readonly observe?: (observation: Observation) => void;
  readonly #options: OpenpiPolicyOptions;
  readonly #link: OpenpiLink;
  readonly #robot: RobotKeys;
  readonly #dialect: ClientDialect;
  readonly #remote: RemotePolicy;
  #resetDue = false;
  #showing = false;

  constructor({ options, link, robot, dialect, remote, spec }: OpenpiPolicySettings) {
    this.#options = options;
    this.#link = link;
    this.#robot = robot;
    this.#dialect = dialect;
    this.#remote = remote;
    this.spec = spec;
    if (remote.looksBack) this.observe = (observation) => this.#show(observation);
    if (remote.subtasks) this.generateSubtask = (observation, asked) => this.#askSubtask(observation, asked);
  }

  /**
   * @throws MyelinError OBSERVATION_MISMATCH, SERVER_UNREACHABLE, SERVER_REFUSED, DEADLINE_EXCEEDED,
   *   POLICY_OUTPUT_INVALID
   */
  async infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    const { noise, seed, flowSteps, realTimeChunk, subtask } = options;
    const reply = await this.#ask(observation, options.signal, {
      noise,
      seed,
      flowSteps,
      realTimeChunk,
      ...(subtask === undefined
        ? {}
        : { subtask: { text: subtask.text, maxDecodingSteps: 1, temperature: 0 } }),
    });
    const found = this.#dialect.actions(reply);
    if ('failure' in found) throw this.#refused(found.failure);
    if (!(found.value instanceof NdArray)) throw invalid('no array of actions');
    return this.#chunk(found.value, observation);
  }

  /** Asks that the server forget the episode with the next request, where it remembers one. */
  reset(): void {
    this.#resetDue = true;
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One at a time: a connection that is slower than the robot's steps must not fall behind them. */
  #show(observation: Observation): void {
    if (this.#showing) return;
    this.#showing = true;
    const shown = () => {
      this.#showing = false;
    };
    // What fails here fails again when actions are asked for: there it is told.
    this.#ask(observation, undefined, { observe: true }).then(shown, shown);
  }

  async #askSubtask(observation: Observation, options: SubtaskOptions): Promise<Subtask> {
    const { maxDecodingSteps, temperature, seed, signal } = options;
    const reply = await this.#ask(observation, signal, {
      seed,
      subtask: { maxDecodingSteps, temperature, only: true },
    });
    if ('text' in reply) throw this.#refused(reply.text);
    const own = isMap(reply.value) ? reply.value.get(EXTENSION) : undefined;
    const [text, tokens] = isMap(own) ? [own.get('subtask'), own.get('subtask_tokens')] : [];
    if (typeof text !== 'string') throw invalid('no subtask');
    return { text, tokens: Array.isArray(tokens) ? tokens.map(Number) : [] };
  }

  async #ask(observation: Observation, signal: AbortSignal | undefined, asked: ExtendedRequest) {
    signal?.throwIfAborted();
    const pictures = await this.#pictures(observation);
    signal?.throwIfAborted();
    const state = this.#state(observation.state);
    const reset = this.#resetDue;
    this.#resetDue = false;
    if (reset && this.#dialect.reset !== undefined && this.#link.connected)
      await this.#link.request(this.#dialect.reset);
    const options: ExtendedRequest = {
      ...asked,
      timestep: observation.timestep,
      deadlineMs: this.#options.timeoutMs,
      reset: reset || undefined,
    };
    const message = this.#dialect.request({
      observation,
      pictures,
      state,
      robot: this.#robot,
      options,
      remote: this.#remote,
    });
    return untilAborted(this.#link.request(message), signal);
  }

  /** Every camera the server needs must be there, under the right name: not all servers say when one is not. */
  async #pictures(observation: Observation): Promise<Map<string, Rgb>> {
    const pictures = new Map<string, Rgb>();
    for (const need of this.#remote.cameras) {
      const frame = observation.cameras.get(need.name);
      if (frame === undefined && need.optional) continue;
      if (frame === undefined || frame.rgb.length !== 3 * frame.width * frame.height) {
        throw new MyelinError('OBSERVATION_MISMATCH', {
          needed: `a picture from the camera "${need.name}"`,
          found: `pictures from: ${[...observation.cameras.keys()].join(', ') || 'none'}`,
          advice: 'Name cameras as the server does, for example --camera-id NAME=0.',
        });
      }
      const side = this.#remote.pictureSide;
      pictures.set(need.name, side === undefined ? frame : await resizeWithPad(frame, side, side));
    }
    if (this.#remote.cameras.length > 0 && pictures.size === 0) {
      throw new MyelinError('OBSERVATION_MISMATCH', {
        needed: `a picture from ${this.#remote.cameras.map(({ name }) => name).join(' or ')}`,
        found: 'none of them',
        advice: 'Name cameras as the server does, for example --camera-id NAME=0.',
      });
    }
    return pictures;
  }

  #state(measured: Float64Array): Float64Array {
    const bad = measured.find((value) => !Number.isFinite(value));
    if (bad !== undefined) {
      const advice = 'Check the sensors.';
      throw new MyelinError('OBSERVATION_MISMATCH', {
        needed: 'finite state numbers',
        found: `${bad}`,
        advice,
      });
    }
    const { normStats, stateLength = 0 } = this.#options;
    const state =
      normStats === undefined || normStats === 'none' ? measured : normStats.normaliseState(measured);
    if (state.length >= stateLength) return state;
    const padded = new Float64Array(stateLength);
    padded.set(state);
    return padded;
  }

  #chunk(array: NdArray, { timestep, timestampNs: observedNs }: Observation): ActionChunk {
    const shape = array.shape.length === 3 && array.shape[0] === 1 ? array.shape.slice(1) : array.shape;
    const [rows = 0, width = 0] = shape;
    const values = toNumbers(array);
    const dof = this.spec.actionNames.length;
    if (values === undefined || shape.length !== 2 || rows < 1 || width < dof)
      throw invalid(`${array.dtype} [${array.shape.join(', ')}], not rows of ${dof} actions`);
    // Only a padded answer may be wider than an action, and only where the caller said how wide an action is.
    if (width > dof && this.#options.actionLength === undefined && !hasStats(this.#options.normStats))
      throw invalid(`rows of ${width} actions, not ${dof}`);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw invalid(`${values[bad]} as action number ${bad}`);
    const { normStats } = this.#options;
    const [restored, wide] = hasStats(normStats)
      ? [normStats.restoreActions(values, rows, width), normStats.actionLength]
      : [values, width];
    const actions = cut(restored, rows, wide, dof);
    const stepPeriodS = this.spec.stepPeriodS ?? 1 / 30;
    return { actions, rows, dof, stepPeriodS, timestep, observedNs };
  }

  #refused(text: string): MyelinError {
    // A stock server sends its whole traceback; its last line says what happened.
    const reason = text.trim().split('\n').at(-1)?.slice(0, 500) ?? 'nothing';
    const advice = 'The server says so; look into its log.';
    return new MyelinError('SERVER_REFUSED', { url: this.#options.url, reason, advice });
  }
}

export const hasStats = (stats: NormStats | 'none' | undefined): stats is NormStats =>
  typeof stats === 'object';

const invalid = (detail: string) => new MyelinError('POLICY_OUTPUT_INVALID', { detail });

/** The first `dof` numbers of each row. */
function cut(values: Float64Array, rows: number, width: number, dof: number): Float64Array {
  if (width === dof) return values;
  const out = new Float64Array(rows * dof);
  for (let row = 0; row < rows; row++) out.set(values.subarray(row * width, row * width + dof), row * dof);
  return out;
}

/** The answer, or the signal's reason; the answer is still waited for by the link, so that it pairs with its request. */
