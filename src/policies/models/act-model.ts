import { dirname } from 'node:path';
import { ENVIRONMENT_STATE, STATE } from '../features.ts';
import type { Model, ModelOptions, PictureNeed, PredictRequest, VectorNeed } from '../model.ts';
import { Session } from '../onnx/session.ts';
import type { ModelInput, TensorValue } from '../onnx/session-protocol.ts';
import { FileTensors } from '../onnx/weights.ts';
import type { InferOptions } from '../policy.ts';
import { type Batch, type Picture, writeChannels } from '../processors/batch.ts';
import { actBackbone, actInventory, actTrainingTensors, actTransformer, cameraTokens } from './act.ts';
import { type ActConfig, actConfigSchema, actInterface } from './act-config.ts';
import type { CheckpointFolder, ModelKind } from './kind.ts';

/** An ACT network that runs: its backbone once for each camera, then its transformer, for one observation or many. */
export class ActModel implements Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly #session: Session;
  /** One buffer for each camera, moved to the session's thread and back. */
  readonly #buffers = new Map<number, Float32Array<ArrayBuffer>>();

  private constructor(session: Session, config: ActConfig, configFile: string) {
    const ports = actInterface(config, configFile);
    this.#session = session;
    this.loadMs = session.loadMs;
    this.threads = session.threads;
    this.pictures = ports.cameras;
    this.vectors = [
      { feature: STATE, length: ports.stateLength },
      { feature: ENVIRONMENT_STATE, length: ports.environmentLength },
    ].filter((need): need is VectorNeed => need.length !== undefined);
    this.chunkRows = config.chunk_size;
    this.actionLength = ports.actionLength;
  }

  /** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID, MODEL_FAILED */
  static async open(
    { config, configFile, weights }: CheckpointFolder<ActConfig>,
    options: ModelOptions,
  ): Promise<ActModel> {
    const ports = actInterface(config, configFile);
    const source = new FileTensors(weights);
    const transformer = { name: 'transformer', model: actTransformer(config, ports, source).toBytes() };
    const stages =
      ports.cameras.length === 0
        ? [transformer]
        : [{ name: 'backbone', model: actBackbone(config, ports.cameras, source).toBytes() }, transformer];
    const session = await Session.open({ ...options, stages, folder: dirname(weights.path) });
    return new ActModel(session, config, configFile);
  }

  async predict(batch: Batch, options: InferOptions): Promise<ArrayLike<number>> {
    const [actions] = await this.predictMany([{ batch, options }], options);
    return actions ?? [];
  }

  async predictMany(
    requests: readonly PredictRequest[],
    { signal, onStage }: Pick<InferOptions, 'signal' | 'onStage'>,
  ): Promise<readonly ArrayLike<number>[]> {
    const count = requests.length;
    const inputs: Record<string, ModelInput> = {};
    for (const [index, { feature }] of this.pictures.entries()) {
      const tokens = cameraTokens(index);
      const pictures = this.#fill(
        index,
        requests.map(({ batch }) => batch.pictures.get(feature) as Picture),
      );
      const { durationMs, inputs: back } = await this.#session.run(
        'backbone',
        { pictures },
        { keep: { tokens } },
      );
      this.#buffers.set(index, back.pictures?.data as Float32Array<ArrayBuffer>);
      onStage?.(`backbone ${index + 1}`, durationMs);
      signal?.throwIfAborted();
      inputs[tokens] = { kept: tokens };
    }
    for (const { feature, length } of this.vectors) {
      const data = new Float32Array(count * length);
      requests.forEach(({ batch }, i) => {
        data.set(batch.vectors.get(feature) as Float64Array, i * length);
      });
      inputs[feature === STATE ? 'state' : 'environment'] = { shape: [count, length], data };
    }
    const { durationMs, outputs } = await this.#session.run('transformer', inputs, { fetch: ['actions'] });
    onStage?.('transformer', durationMs);
    signal?.throwIfAborted();
    const actions = outputs.actions?.data as Float32Array;
    const length = this.chunkRows * this.actionLength;
    return requests.map((_, i) => actions.subarray(i * length, (i + 1) * length));
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  /** Pictures of one camera, one after the other, in a buffer that is kept for as many. */
  #fill(camera: number, pictures: readonly Picture[]): TensorValue {
    const { width, height } = this.pictures[camera] as PictureNeed;
    const length = 3 * height * width;
    // A failed run keeps the buffer it was given; then there is none to use again.
    const kept = this.#buffers.get(camera);
    this.#buffers.delete(camera);
    const data =
      kept?.length === pictures.length * length ? kept : new Float32Array(pictures.length * length);
    pictures.forEach((picture, i) => {
      writeChannels(picture, data.subarray(i * length, (i + 1) * length));
    });
    return { shape: [pictures.length, 3, height, width], data };
  }
}

/** Action Chunking Transformer. */
export const actKind: ModelKind<ActConfig> = {
  type: 'act',
  schema: actConfigSchema,
  describe(config, file) {
    actInterface(config, file);
    return {
      inputs: config.input_features,
      outputs: config.output_features,
      normalization: config.normalization_mapping,
      chunkRows: config.chunk_size,
      actionSteps: config.n_action_steps,
      temporalEnsembleCoefficient: config.temporal_ensemble_coeff ?? undefined,
    };
  },
  tensors: (config, file) => actInventory(config, actInterface(config, file)).shapes,
  matrices: (config, file) => actInventory(config, actInterface(config, file)).matrices,
  trainingTensors: (config, file) => actTrainingTensors(config, actInterface(config, file)),
  open: (checkpoint, options) => ActModel.open(checkpoint, options),
};
