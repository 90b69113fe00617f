import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type {
  CameraNeed,
  InferOptions,
  Policy,
  PolicySpec,
  Subtask,
  SubtaskOptions,
} from '../../policies/policy.ts';
import { untilAborted } from '../engine/until-aborted.ts';
import { EXTENSION } from '../openpi/extension.ts';
import { type NdArray, toNumbers } from '../openpi/ndarray.ts';
import { type Rgb, resizeWithPad } from '../pictures/resize-with-pad.ts';
import type { Pi05Answer, Pi05Metadata } from './answers.ts';
import type { Pi05Request } from './encode-request.ts';
import { Pi05Client, type Pi05ClientOptions } from './pi05-client.ts';

export interface Pi05PolicyOptions extends Pi05ClientOptions {
  /** Cameras to send. Default: those the server needs. */
  readonly cameras?: readonly string[] | undefined;
  /** Numbers in a state, where the server does not say. Default: those of an action. */
  readonly stateLength?: number | undefined;
  /** Numbers in an action, where the server does not say or answers padded ones. */
  readonly actionLength?: number | undefined;
  /** Rows of a chunk, where the server does not say. */
  readonly chunkRows?: number | undefined;
  /** Rows meant to be executed before the next chunk. Default: half a chunk. */
  readonly actionSteps?: number | undefined;
  /** Seconds between rows. Default: what the server says, else 1/30. */
  readonly stepPeriodS?: number | undefined;
}

/** pi0.5 looks at squares of this side; larger ones would only take longer on their way. */
const PICTURE_SIDE = 224;

/**
 * Connects to a pi0.5 server, the seed's own or Myelin's.
 * @throws MyelinError SERVER_UNREACHABLE, SERVER_REFUSED, INVALID_ARGUMENT when the server does not say what must be
 *   known and the caller did not either
 * @example
 * await using policy = await openPi05Policy({ url: 'ws://gpu-box:8765' });
 * const chunk = await policy.infer(observation);
 */
export async function openPi05Policy(options: Pi05PolicyOptions): Promise<Pi05Policy> {
  const client = new Pi05Client(options);
  try {
    const metadata = await client.connect();
    return new Pi05Policy(client, specOf(options, metadata), {
      looksBack: metadata.looks_back ?? false,
      padded: options.actionLength !== undefined,
    });
  } catch (thrown) {
    await client.close();
    throw thrown;
  }
}

interface Pi05Traits {
  readonly looksBack: boolean;
  /** Whether rows may be wider than an action: the caller said how wide an action is. */
  readonly padded: boolean;
}

/** A policy on a pi0.5 server. */
export class Pi05Policy implements Policy {
  readonly spec: PolicySpec;
  /** There where the server writes subtasks. */
  readonly generateSubtask?: (observation: Observation, options: SubtaskOptions) => Promise<Subtask>;
  /** There for policies that look back, on Myelin servers. */
  readonly observe?: (observation: Observation) => void;
  readonly #client: Pi05Client;
  readonly #padded: boolean;
  #resetDue = false;
  #showing = false;

  constructor(client: Pi05Client, spec: PolicySpec, { looksBack, padded }: Pi05Traits) {
    this.#client = client;
    this.#padded = padded;
    this.spec = spec;
    if (spec.subtasks) this.generateSubtask = (observation, asked) => this.#subtask(observation, asked);
    if (looksBack) this.observe = (observation) => this.#show(observation);
  }

  /**
   * @throws MyelinError OBSERVATION_MISMATCH, SERVER_UNREACHABLE, SERVER_REFUSED, DEADLINE_EXCEEDED,
   *   POLICY_OUTPUT_INVALID
   */
  async infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    const { noise, seed, flowSteps, realTimeChunk, subtask, signal } = options;
    const width = this.spec.actionNames.length;
    const answer = await this.#ask(observation, signal, {
      // Who wants subtasks asks for them; an action is an action.
      generateSubtask: false,
      ...(subtask === undefined ? {} : { lowLevelPrompt: subtask.text }),
      ...(noise === undefined ? {} : { noise: rowsOf(noise, noise.length / this.spec.chunkRows || width) }),
      ...(seed === undefined ? {} : { seed }),
      ...(flowSteps === undefined ? {} : { flowSteps }),
      ...(realTimeChunk === undefined ? {} : { realTimeChunk }),
    });
    return this.#chunk(answer, observation);
  }

  /** The server forgets the episode with the next request. */
  reset(): void {
    this.#resetDue = true;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #subtask(observation: Observation, options: SubtaskOptions): Promise<Subtask> {
    const { maxDecodingSteps, temperature, seed, signal } = options;
    const { subtask, subtask_tokens: tokens } = await this.#ask(observation, signal, {
      generateSubtask: true,
      generateActions: false,
      maxDecodingSteps,
      temperature,
      ...(seed === undefined ? {} : { seed }),
    });
    if (subtask === null) throw invalid('no subtask');
    return { text: subtask, tokens: tokens ?? [] };
  }

  async #ask(
    observation: Observation,
    signal: AbortSignal | undefined,
    more: Partial<Pi05Request>,
  ): Promise<Pi05Answer> {
    signal?.throwIfAborted();
    const images = await this.#pictures(observation);
    const reset = this.#resetDue;
    this.#resetDue = false;
    const answer = this.#client.infer({
      images,
      state: [...observation.state],
      highLevelPrompt: observation.task,
      timestep: observation.timestep,
      ...(reset ? { reset } : {}),
      ...more,
    });
    return untilAborted(answer, signal);
  }

  /** One at a time: a connection that is slower than the robot's steps must not fall behind them. */
  #show(observation: Observation): void {
    if (this.#showing) return;
    this.#showing = true;
    const shown = () => {
      this.#showing = false;
    };
    const { state, timestep } = observation;
    this.#pictures(observation)
      .then((images) => this.#client.updateObservation({ images, state: [...state], timestep }))
      // What fails here fails again when actions are asked for: there it is told.
      .then(shown, shown);
  }

  async #pictures({ cameras }: Observation): Promise<Record<string, Rgb>> {
    const pictures: Record<string, Rgb> = {};
    for (const { name, optional, width, height } of this.spec.cameras) {
      const frame = cameras.get(name);
      if (frame === undefined && optional) continue;
      if (frame === undefined) {
        throw new MyelinError('OBSERVATION_MISMATCH', {
          needed: `a picture from the camera "${name}"`,
          found: `pictures from: ${[...cameras.keys()].join(', ') || 'none'}`,
          advice: 'Name cameras as the server does, for example --camera-id NAME=0.',
        });
      }
      pictures[name] =
        width === undefined || height === undefined
          ? await resizeWithPad(frame, PICTURE_SIDE, PICTURE_SIDE)
          : frame;
    }
    if (Object.keys(pictures).length === 0) {
      throw new MyelinError('OBSERVATION_MISMATCH', {
        needed: `a picture from ${this.spec.cameras.map(({ name }) => name).join(' or ')}`,
        found: `pictures from: ${[...cameras.keys()].join(', ') || 'none'}`,
        advice: 'Name cameras as the server does, for example --camera-id NAME=0.',
      });
    }
    return pictures;
  }

  #chunk(answer: Pi05Answer, { timestep, timestampNs: observedNs }: Observation): ActionChunk {
    const { random_images: madeUp = [], actions: wire } = answer;
    if (madeUp.length > 0) throw invalid(`actions from made-up pictures of ${madeUp.join(', ')}`);
    if (wire === null) throw invalid('no actions');
    const found = Array.isArray(wire) ? fromLists(wire) : fromArray(wire);
    const dof = this.spec.actionNames.length;
    if (found === undefined || found.width < dof || found.actions.length === 0)
      throw invalid(`something else than rows of ${dof} actions`);
    const { actions: all, width } = found;
    if (width > dof && !this.#padded) throw invalid(`rows of ${width} actions, not ${dof}`);
    const bad = all.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw invalid(`${all[bad]} as action number ${bad}`);
    const actions = width === dof ? all : all.filter((_, i) => i % width < dof);
    const stepPeriodS = this.spec.stepPeriodS ?? 1 / 30;
    return { actions, rows: actions.length / dof, dof, stepPeriodS, timestep, observedNs };
  }
}

const invalid = (detail: string) => new MyelinError('POLICY_OUTPUT_INVALID', { detail });

interface Rows {
  readonly actions: Float64Array;
  readonly width: number;
}

/** [1][rows][numbers] */
function fromLists(lists: readonly (readonly (readonly number[])[])[]): Rows | undefined {
  const [rows = []] = lists;
  const width = rows[0]?.length ?? 0;
  if (lists.length !== 1 || rows.some((row) => row.length !== width)) return undefined;
  return { actions: Float64Array.from(rows.flat()), width };
}

/** [1, rows, numbers] or [rows, numbers] */
function fromArray(array: NdArray): Rows | undefined {
  const shape = array.shape.length === 3 && array.shape[0] === 1 ? array.shape.slice(1) : array.shape;
  const actions = toNumbers(array);
  return shape.length === 2 && actions !== undefined ? { actions, width: shape[1] ?? 0 } : undefined;
}

function rowsOf(values: Float32Array, width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, row) => [
    ...values.subarray(row * width, (row + 1) * width),
  ]);
}

function specOf(options: Pi05PolicyOptions, metadata: Pi05Metadata): PolicySpec {
  const { supported_image_types: supported = [], required_image_types: required = supported } = metadata;
  const chunkRows = options.chunkRows ?? metadata.action_horizon;
  const actionLength = options.actionLength ?? metadata.action_dim;
  const realTime = metadata[EXTENSION]?.real_time_chunking;
  if (chunkRows === undefined || actionLength === undefined) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'the size of a chunk',
      value: 'unknown',
      allowed: 'given: this server does not tell its rows and numbers a row',
    });
  }
  const numbered = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what}_${i}`);
  const need = (name: string): CameraNeed => {
    const [height, width] = metadata.image_sizes?.[name] ?? [];
    return {
      name,
      ...(width === undefined || height === undefined ? {} : { width, height }),
      ...(options.cameras === undefined && !required.includes(name) ? { optional: true } : {}),
    };
  };
  return {
    name: `pi0.5 at ${new URL(options.url).host}`,
    cameras: (options.cameras ?? supported).map(need),
    stateNames: numbered('state', options.stateLength ?? metadata.state_dim ?? actionLength),
    actionNames: numbered('action', actionLength),
    chunkRows,
    actionSteps: options.actionSteps ?? Math.ceil(chunkRows / 2),
    stepPeriodS: options.stepPeriodS ?? metadata.step_period_s ?? 1 / 30,
    subtasks: metadata.capabilities.includes('subtask_generation'),
    ...(realTime === undefined ? {} : { realTime }),
  };
}
