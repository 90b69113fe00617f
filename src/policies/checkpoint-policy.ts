import type { ActionChunk } from '../core/chunk.ts';
import { MyelinError } from '../core/errors.ts';
import type { Observation } from '../core/observation.ts';
import { ACTION, cameraName } from './features.ts';
import type { Model } from './model.ts';
import { type CameraBinding, observationBatch, type VectorBinding } from './observation-batch.ts';
import type { InferOptions, Policy, PolicySpec, RealTimeChunk, Subtask, SubtaskOptions } from './policy.ts';
import { type Batch, makeBatch } from './processors/batch.ts';
import type { Pipeline } from './processors/pipeline.ts';
import { anySeed } from './samplers/noise.ts';
import { streamOf, uniformAt } from './seeded-tensor.ts';
import { sampleToken } from './subtask/choose-token.ts';
import { SubtaskPrompts } from './subtask/prompts.ts';
import { type SubtaskTemplate, subtaskTemplate } from './subtask/template.ts';
import { TemporalEnsemble } from './temporal-ensemble.ts';

export interface CheckpointPolicySettings {
  /** For people. */
  readonly name: string;
  readonly model: Model;
  readonly before: Pipeline;
  readonly after: Pipeline;
  readonly actionSteps: number;
  readonly temporalEnsembleCoefficient?: number | undefined;
  /** Seconds between rows. */
  readonly stepPeriodS?: number | undefined;
  readonly stateNames?: readonly string[] | undefined;
  readonly actionNames?: readonly string[] | undefined;
  /** How it is asked for subtasks, when its model can go on with words. Default: `task-subtask`. */
  readonly subtaskTemplate?: SubtaskTemplate | undefined;
  /** The policy's camera name to the observation's. */
  readonly cameras?: Readonly<Record<string, string>> | undefined;
}

/** Policies are trained on 30 frames a second unless their checkpoint says otherwise. */
const DEFAULT_STEP_PERIOD_S = 1 / 30;

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}_${i}`);

/** A model with its processors: observation in, chunk of actions in the robot's units out. */
export class CheckpointPolicy implements Policy {
  readonly spec: PolicySpec;
  readonly model: Model;
  /** Several where one network answers its forks' observations in one run. */
  readonly parallelCalls: number;
  /** There for models that look back. @throws MyelinError OBSERVATION_MISMATCH */
  readonly observe?: (observation: Observation) => void;
  /** There for models with a language head. */
  readonly generateSubtask?: (observation: Observation, options: SubtaskOptions) => Promise<Subtask>;
  readonly #settings: CheckpointPolicySettings;
  readonly #prompts: SubtaskPrompts | undefined;
  readonly #cameras: readonly CameraBinding[];
  readonly #vectors: readonly VectorBinding[];
  readonly #ensemble: TemporalEnsemble | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: CheckpointPolicySettings) {
    const { model, before, temporalEnsembleCoefficient: coefficient } = settings;
    this.model = model;
    this.parallelCalls = model.maxBatch ?? 1;
    this.#settings = settings;
    this.#cameras = model.pictures.map((need) => {
      const source = before.sourceOf(need.feature);
      const own = cameraName(source);
      return { ...need, source, camera: settings.cameras?.[own] ?? own };
    });
    this.#vectors = model.vectors.map((need) => ({ ...need, source: before.sourceOf(need.feature) }));
    this.#ensemble =
      coefficient === undefined
        ? undefined
        : new TemporalEnsemble(coefficient, model.chunkRows, model.actionLength);
    if (model.observe !== undefined) this.observe = (observation) => this.#observe(observation);
    const { tokenizer } = before;
    if (model.generate !== undefined && tokenizer !== undefined) {
      this.#prompts = new SubtaskPrompts(
        settings.subtaskTemplate ?? subtaskTemplate('task-subtask'),
        tokenizer,
      );
      this.generateSubtask = (observation, options) =>
        this.#inTurn(() => this.#generateSubtask(observation, options));
    }
    const state = model.vectors.find(({ feature }) => feature.endsWith('.state'));
    this.spec = {
      name: settings.name,
      cameras: this.#cameras.map(({ camera, width, height, anySize, optional }) => ({
        name: camera,
        ...(anySize ? {} : { width, height }),
        ...(optional ? { optional } : {}),
      })),
      stateNames: settings.stateNames ?? numbered('state', state?.length ?? 0),
      actionNames: settings.actionNames ?? numbered('action', model.actionLength),
      chunkRows: model.chunkRows,
      actionSteps: settings.actionSteps,
      ...(settings.stepPeriodS === undefined ? {} : { stepPeriodS: settings.stepPeriodS }),
      subtasks: this.generateSubtask !== undefined,
      ...(model.realTime === undefined ? {} : { realTime: model.realTime }),
    };
  }

  /**
   * One chunk. With temporal ensembling, the ensemble from `observation.timestep` on: row 0 is what to do now.
   * Calls queue up in order.
   * @throws MyelinError OBSERVATION_MISMATCH, POLICY_OUTPUT_INVALID, MODEL_FAILED
   */
  infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    return this.#inTurn(() => this.#infer(observation, options));
  }

  reset(): void {
    this.#ensemble?.reset();
    this.model.reset?.();
  }

  fork(): Policy {
    const { model } = this;
    const own = model.fork?.() ?? model;
    const policy = new CheckpointPolicy({ ...this.#settings, model: own });
    policy.close = async () => undefined;
    return policy;
  }

  close(): Promise<void> {
    return this.model.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #observe(observation: Observation): void {
    const batch = observationBatch(observation, this.#cameras, this.#vectors);
    this.#settings.before.apply(batch);
    this.model.observe?.(batch);
  }

  async #infer(observation: Observation, options: InferOptions): Promise<ActionChunk> {
    options.signal?.throwIfAborted();
    const { before, after, stepPeriodS = DEFAULT_STEP_PERIOD_S } = this.#settings;
    let started = performance.now();
    const stageEnds = (stage: string) => {
      options.onStage?.(stage, performance.now() - started);
      started = performance.now();
    };
    const batch = this.#batch(observation, options);
    // Steps that normalise actions too bring the previous chunk to where the model denoises.
    if (options.realTimeChunk !== undefined)
      batch.vectors.set(ACTION, previousRows(options.realTimeChunk, this.model));
    before.apply(batch);
    const told = options.subtask && this.#prompts?.actions(batch, observation.task, options.subtask);
    if (told !== undefined) batch.tokens = told;
    stageEnds('preprocess');
    const raw = await this.model.predict(batch, options);
    started = performance.now();
    const { chunkRows: rows, actionLength: dof } = this.model;
    if (raw.length !== rows * dof) {
      throw new MyelinError('POLICY_OUTPUT_INVALID', {
        detail: `${raw.length} numbers, not ${rows} x ${dof}`,
      });
    }
    checkFinite(raw);
    const ensembled = this.#ensemble?.update(raw, observation.timestep) ?? Float64Array.from(raw);
    const answer = makeBatch({
      vectors: new Map([[ACTION, ensembled]]),
      actionLength: dof,
      notes: batch.notes,
    });
    after.apply(answer);
    const actions = answer.vectors.get(ACTION) as Float64Array;
    checkFinite(actions);
    stageEnds('postprocess');
    const { timestep, timestampNs: observedNs } = observation;
    return { actions, rows, dof, stepPeriodS, timestep, observedNs };
  }

  /** What the policy needs of an observation, the subtask in place of the task where that is how it is told. */
  #batch(observation: Observation, { subtask }: Pick<InferOptions, 'subtask'> = {}): Batch {
    const told = subtask !== undefined && this.#prompts?.template.actions.by === 'task';
    const seen = told ? { ...observation, task: subtask.text } : observation;
    const batch = observationBatch(seen, this.#cameras, this.#vectors);
    return { ...batch, actionLength: this.model.actionLength };
  }

  async #generateSubtask(observation: Observation, options: SubtaskOptions): Promise<Subtask> {
    const { model } = this;
    const prompts = this.#prompts;
    if (prompts === undefined || model.generate === undefined) throw new TypeError('no language head');
    const { temperature, maxDecodingSteps: maxSteps, onToken, signal, onStage } = options;
    signal?.throwIfAborted();
    const batch = this.#batch(observation);
    this.#settings.before.apply(batch);
    batch.tokens = prompts.question(batch, observation.task);
    const { tokenizer } = prompts;
    const random = uniformStream(options.seed ?? anySeed());
    const soFar: number[] = [];
    const tokens = await model.generate(batch, {
      maxSteps,
      stopTokens: [options.stopToken ?? tokenizer.idOf('<eos>') ?? 1],
      choose: (logits) => sampleToken(logits, temperature, random),
      onToken: (token) => {
        soFar.push(token);
        onToken?.(token, tokenizer.decode(soFar));
      },
      signal,
      onStage,
    });
    return { text: tokenizer.decode(tokens).trim(), tokens };
  }
}

/** Uniform numbers in [0, 1), one after the other. */
function uniformStream(seed: number): () => number {
  const stream = streamOf(seed, 'subtask');
  let index = 0;
  return () => (uniformAt(stream, index++) + 1) / 2;
}

/** @throws MyelinError INVALID_ARGUMENT */
function previousRows({ previous, rows, delaySteps }: RealTimeChunk, { actionLength }: Model): Float64Array {
  const invalid = (name: string, value: number, allowed: string) =>
    new MyelinError('INVALID_ARGUMENT', { name: `realTimeChunk.${name}`, value, allowed });
  if (previous.length !== rows * actionLength)
    throw invalid('previous', previous.length, `${rows} x ${actionLength} numbers`);
  if (!previous.every(Number.isFinite)) throw invalid('previous', Number.NaN, 'finite');
  if (!Number.isInteger(delaySteps) || delaySteps < 0)
    throw invalid('delaySteps', delaySteps, 'a whole number, not negative');
  return previous.slice();
}

function checkFinite(actions: ArrayLike<number>): void {
  for (let i = 0; i < actions.length; i++) {
    if (Number.isFinite(actions[i])) continue;
    throw new MyelinError('POLICY_OUTPUT_INVALID', { detail: `${actions[i]} as action number ${i}` });
  }
}
