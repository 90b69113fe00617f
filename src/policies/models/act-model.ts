import { dirname } from 'node:path';
import { ENVIRONMENT_STATE, STATE } from '../features.ts';
import type { Model, ModelOptions, PictureNeed, VectorNeed } from '../model.ts';
import { Session } from '../onnx/session.ts';
import type { ModelInput, TensorValue } from '../onnx/session-protocol.ts';
import { FileTensors } from '../onnx/weights.ts';
import type { InferOptions } from '../policy.ts';
import { type Batch, type Picture, writeChannels } from '../processors/batch.ts';
import type { TensorFile } from '../safetensors.ts';
import { actBackbone, actTransformer, cameraTokens } from './act.ts';
import { type ActConfig, actInterface } from './act-config.ts';

/** An ACT network that runs: its backbone once for each camera, then its transformer. */
export class ActModel implements Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly #session: Session;
  /** One buffer for each camera, moved to the session's thread and back. */
  readonly #buffers = new Map<string, TensorValue>();

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
    config: ActConfig,
    configFile: string,
    weights: TensorFile,
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

  async predict(batch: Batch, { signal, onStage }: InferOptions): Promise<ArrayLike<number>> {
    const inputs: Record<string, ModelInput> = {};
    for (const [index, { feature }] of this.pictures.entries()) {
      const tokens = cameraTokens(index);
      const picture = this.#fill(feature, batch.pictures.get(feature) as Picture);
      const { durationMs, inputs: back } = await this.#session.run(
        'backbone',
        { picture },
        { keep: { tokens } },
      );
      this.#buffers.set(feature, back.picture as TensorValue);
      onStage?.(`backbone ${index + 1}`, durationMs);
      signal?.throwIfAborted();
      inputs[tokens] = { kept: tokens };
    }
    for (const { feature, length } of this.vectors) {
      inputs[feature === STATE ? 'state' : 'environment'] = {
        shape: [1, length],
        data: Float32Array.from(batch.vectors.get(feature) as Float64Array),
      };
    }
    const { durationMs, outputs } = await this.#session.run('transformer', inputs, { fetch: ['actions'] });
    onStage?.('transformer', durationMs);
    signal?.throwIfAborted();
    return outputs.actions?.data as Float32Array;
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #fill(feature: string, picture: Picture): TensorValue {
    const { width, height } = picture.frame;
    // A failed run keeps the buffer it was given; then there is none to use again.
    const buffer = this.#buffers.get(feature) ?? {
      shape: [1, 3, height, width],
      data: new Float32Array(3 * height * width),
    };
    this.#buffers.delete(feature);
    writeChannels(picture, buffer.data as Float32Array);
    return buffer;
  }
}
