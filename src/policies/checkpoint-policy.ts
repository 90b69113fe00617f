import type { ActionChunk } from '../core/chunk.ts';
import { MyelinError } from '../core/errors.ts';
import type { Observation } from '../core/observation.ts';
import { ACTION, cameraName } from './features.ts';
import type { Model } from './model.ts';
import { type CameraBinding, observationBatch, type VectorBinding } from './observation-batch.ts';
import type { InferOptions, Policy, PolicySpec } from './policy.ts';
import type { Pipeline } from './processors/pipeline.ts';
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
  readonly #settings: CheckpointPolicySettings;
  readonly #cameras: readonly CameraBinding[];
  readonly #vectors: readonly VectorBinding[];
  readonly #ensemble: TemporalEnsemble | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: CheckpointPolicySettings) {
    const { model, before, temporalEnsembleCoefficient: coefficient } = settings;
    this.model = model;
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
    const state = model.vectors.find(({ feature }) => feature.endsWith('.state'));
    this.spec = {
      name: settings.name,
      cameras: this.#cameras.map(({ camera, width, height }) => ({ name: camera, width, height })),
      stateNames: settings.stateNames ?? numbered('state', state?.length ?? 0),
      actionNames: settings.actionNames ?? numbered('action', model.actionLength),
      chunkRows: model.chunkRows,
      actionSteps: settings.actionSteps,
      ...(settings.stepPeriodS === undefined ? {} : { stepPeriodS: settings.stepPeriodS }),
      subtasks: false,
    };
  }

  /**
   * One chunk. With temporal ensembling, the ensemble from `observation.timestep` on: row 0 is what to do now.
   * Calls queue up in order.
   * @throws MyelinError OBSERVATION_MISMATCH, POLICY_OUTPUT_INVALID, MODEL_FAILED
   */
  infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    const result = this.#turn.then(() => this.#infer(observation, options));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  reset(): void {
    this.#ensemble?.reset();
  }

  close(): Promise<void> {
    return this.model.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #infer(observation: Observation, options: InferOptions): Promise<ActionChunk> {
    options.signal?.throwIfAborted();
    const { before, after, stepPeriodS = DEFAULT_STEP_PERIOD_S } = this.#settings;
    let started = performance.now();
    const stageEnds = (stage: string) => {
      options.onStage?.(stage, performance.now() - started);
      started = performance.now();
    };
    const batch = observationBatch(observation, this.#cameras, this.#vectors);
    before.apply(batch);
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
    const answer = { pictures: new Map(), vectors: new Map([[ACTION, ensembled]]) };
    after.apply(answer);
    const actions = answer.vectors.get(ACTION) as Float64Array;
    checkFinite(actions);
    stageEnds('postprocess');
    const { timestep, timestampNs: observedNs } = observation;
    return { actions, rows, dof, stepPeriodS, timestep, observedNs };
  }
}

function checkFinite(actions: ArrayLike<number>): void {
  for (let i = 0; i < actions.length; i++) {
    if (Number.isFinite(actions[i])) continue;
    throw new MyelinError('POLICY_OUTPUT_INVALID', { detail: `${actions[i]} as action number ${i}` });
  }
}
