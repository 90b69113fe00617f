import { dirname } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { ENVIRONMENT_STATE, STATE } from '../features.ts';
import type { Model, ModelOptions, PictureNeed, VectorNeed } from '../model.ts';
import { ObservationHistory } from '../observation-history.ts';
import { Session } from '../onnx/session.ts';
import type { TensorValue } from '../onnx/session-protocol.ts';
import { FileTensors } from '../onnx/weights.ts';
import type { InferOptions } from '../policy.ts';
import { type Batch, type Picture, writeChannels } from '../processors/batch.ts';
import { ddim } from '../samplers/ddim.ts';
import { ddpm } from '../samplers/ddpm.ts';
import { denoise } from '../samplers/diffusion.ts';
import { anySeed, normalNoise } from '../samplers/noise.ts';
import {
  diffusionEncoder,
  diffusionStep,
  diffusionTensors,
  diffusionTrainingTensors,
  encoderNames,
  timestepEmbedding,
} from './diffusion.ts';
import {
  type DiffusionConfig,
  type DiffusionInterface,
  diffusionConfigSchema,
  diffusionInterface,
  samplingOf,
} from './diffusion-config.ts';
import type { CheckpointFolder, ModelKind } from './kind.ts';

export const diffusionKind: ModelKind<DiffusionConfig> = {
  type: 'diffusion',
  schema: diffusionConfigSchema,
  describe(config, file) {
    diffusionInterface(config, file);
    return {
      inputs: config.input_features,
      outputs: config.output_features,
      normalization: config.normalization_mapping,
      chunkRows: chunkRowsOf(config),
      actionSteps: config.n_action_steps,
    };
  },
  tensors: (config, file) => diffusionTensors(config, diffusionInterface(config, file)),
  trainingTensors: (config, file) => diffusionTrainingTensors(config, diffusionInterface(config, file)),
  open: (checkpoint, options) => DiffusionModel.open(checkpoint, options),
};

/** The trajectory begins with the oldest observation; what is past is no use to anyone. */
const chunkRowsOf = ({ horizon, n_obs_steps }: DiffusionConfig) => horizon - n_obs_steps + 1;

/** An observation, and what the U-Net takes of it once it has been worked out. */
interface Seen {
  readonly batch: Batch;
  described?: Float32Array;
}

/** A diffusion policy that runs: each observation is described once, then the U-Net denoises, step by step. */
export class DiffusionModel implements Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly flowSteps: number;
  readonly #session: Session;
  readonly #config: DiffusionConfig;
  readonly #ports: DiffusionInterface;
  readonly #encoders: readonly string[];
  readonly #history: ObservationHistory<Seen>;
  /** The picture's buffer, moved to the session's thread and back. */
  #buffer: TensorValue | undefined;

  private constructor(session: Session, config: DiffusionConfig, ports: DiffusionInterface) {
    this.#session = session;
    this.#config = config;
    this.#ports = ports;
    this.#encoders = encoderNames(config, ports);
    this.#history = new ObservationHistory(config.n_obs_steps);
    this.loadMs = session.loadMs;
    this.threads = session.threads;
    this.flowSteps = config.num_inference_steps ?? config.num_train_timesteps;
    const { height = 0, width = 0 } = ports.pictures?.camera ?? {};
    this.pictures = ports.cameras.map((feature) => ({ feature, height, width }));
    this.vectors = [
      { feature: STATE, length: ports.stateLength },
      { feature: ENVIRONMENT_STATE, length: ports.environmentLength },
    ].filter((need): need is VectorNeed => need.length !== undefined);
    this.chunkRows = chunkRowsOf(config);
    this.actionLength = ports.actionLength;
  }

  /** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID, MODEL_FAILED */
  static async open(
    checkpoint: CheckpointFolder<DiffusionConfig>,
    options: ModelOptions,
  ): Promise<DiffusionModel> {
    const { config, configFile, weights } = checkpoint;
    const ports = diffusionInterface(config, configFile);
    const source = new FileTensors(weights);
    const { pictures } = ports;
    const encoders =
      pictures === undefined
        ? []
        : encoderNames(config, ports).map((name) => ({
            name,
            model: diffusionEncoder(config, pictures, name, source).toBytes(),
          }));
    const stages = [...encoders, { name: 'step', model: diffusionStep(config, ports, source).toBytes() }];
    const session = await Session.open({ ...options, stages, folder: dirname(weights.path) });
    return new DiffusionModel(session, config, ports);
  }

  observe(batch: Batch): void {
    const pictures = new Map([...batch.pictures].map(([feature, picture]) => [feature, copied(picture)]));
    this.#history.push(batch.timestep, { batch: { ...batch, pictures } });
  }

  /**
   * The trajectory from the present on. `options.noise` is `horizon` rows to begin with; for DDPM those of each step
   * but the last may follow, as many again for each.
   */
  async predict(batch: Batch, options: InferOptions): Promise<ArrayLike<number>> {
    const { horizon, n_obs_steps: observed, noise_scheduler_type: scheduler } = this.#config;
    const { actionLength } = this;
    const steps = this.#steps(options);
    const noise = this.#noise(options, scheduler === 'DDPM' ? steps : 1);
    this.observe(batch);
    const observations = await this.#describe(options);
    const trajectory = await denoise({
      ...options,
      settings: samplingOf(this.#config),
      rule: scheduler === 'DDPM' ? ddpm : ddim,
      steps,
      noise,
      predict: (sample, timestep) => this.#denoisingStep(sample, timestep, observations),
    });
    return trajectory.subarray((observed - 1) * actionLength, horizon * actionLength);
  }

  reset(): void {
    this.#history.clear();
  }

  fork(): DiffusionModel {
    return new DiffusionModel(this.#session, this.#config, this.#ports);
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #steps({ flowSteps = this.flowSteps }: InferOptions): number {
    const most = this.#config.num_train_timesteps;
    if (Number.isInteger(flowSteps) && flowSteps >= 1 && flowSteps <= most) return flowSteps;
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'flowSteps',
      value: flowSteps,
      allowed: `1 to ${most}`,
    });
  }

  /** Noise for `draws` trajectories: as given, and where none is given from the seed. */
  #noise({ noise, seed = anySeed() }: InferOptions, draws: number): Float32Array[] {
    const length = this.#config.horizon * this.actionLength;
    const all = normalNoise(seed, draws * length);
    if (noise !== undefined) {
      if ((noise.length !== length && noise.length !== all.length) || !noise.every(Number.isFinite)) {
        const allowed = `${length} finite numbers${draws > 1 ? `, or ${all.length}` : ''}`;
        throw new MyelinError('INVALID_ARGUMENT', {
          name: 'noise',
          value: `${noise.length} numbers`,
          allowed,
        });
      }
      all.set(noise);
    }
    return Array.from({ length: draws }, (_, i) => all.slice(i * length, (i + 1) * length));
  }

  /** What the U-Net takes of the last observations, oldest first. */
  async #describe(options: InferOptions): Promise<Float32Array> {
    const seen = this.#history.entries();
    for (const entry of seen) entry.described ??= await this.#describeOne(entry.batch, options);
    return Float32Array.from(seen.flatMap(({ described = [] }) => [...described]));
  }

  /** [state, description of each camera, environment] */
  async #describeOne(batch: Batch, { signal, onStage }: InferOptions): Promise<Float32Array> {
    const vector = (feature: string) => [...(batch.vectors.get(feature) ?? [])];
    const numbers = vector(STATE);
    for (const [index, { feature }] of this.pictures.entries()) {
      const stage = this.#encoders[index] ?? (this.#encoders[0] as string);
      const picture = this.#fill(batch.pictures.get(feature) as Picture);
      const { durationMs, outputs, inputs } = await this.#session.run(
        stage,
        { picture },
        { fetch: ['description'] },
      );
      this.#buffer = inputs.picture;
      onStage?.(`encoder ${index + 1}`, durationMs);
      signal?.throwIfAborted();
      const description = outputs.description?.data as Float32Array;
      numbers.push(...description);
    }
    return Float32Array.from([...numbers, ...vector(ENVIRONMENT_STATE)]);
  }

  async #denoisingStep(
    sample: Float32Array,
    timestep: number,
    observations: Float32Array,
  ): Promise<Float32Array> {
    const { horizon, diffusion_step_embed_dim: timeWidth } = this.#config;
    const { outputs } = await this.#session.run(
      'step',
      {
        trajectory: { shape: [1, horizon, this.actionLength], data: sample.slice() },
        time: { shape: [1, timeWidth], data: timestepEmbedding(timestep, timeWidth) },
        observations: { shape: [1, observations.length], data: observations.slice() },
      },
      { fetch: ['prediction'] },
    );
    return outputs.prediction?.data as Float32Array;
  }

  #fill(picture: Picture): TensorValue {
    const { width, height } = picture.frame;
    // A failed run keeps the buffer it was given; then there is none to use again.
    const buffer = this.#buffer ?? {
      shape: [1, 3, height, width],
      data: new Float32Array(3 * height * width),
    };
    this.#buffer = undefined;
    writeChannels(picture, buffer.data as Float32Array);
    return buffer;
  }
}

/** Cameras write their next picture where this one lies, and a picture may be looked at again. */
const copied = (picture: Picture): Picture => ({
  ...picture,
  frame: { ...picture.frame, rgb: picture.frame.rgb.slice() },
});
