import { dirname } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { ACTION, STATE } from '../features.ts';
import type { Model, ModelOptions, PictureNeed, VectorNeed } from '../model.ts';
import { positionsFrom, rotaryTable } from '../onnx/rotary.ts';
import { Session } from '../onnx/session.ts';
import type { ModelInput, TensorValue } from '../onnx/session-protocol.ts';
import { FileTensors } from '../onnx/weights.ts';
import type { InferOptions, RealTimeSupport } from '../policy.ts';
import type { Batch, Picture } from '../processors/batch.ts';
import { resizeWithPad } from '../processors/resize-with-pad.ts';
import { integrateFlow } from '../samplers/flow-matching.ts';
import { type ChunkContinuation, continuation } from '../samplers/real-time-chunk.ts';
import { timeEmbedding } from '../samplers/time-embedding.ts';
import type { CheckpointFolder } from './kind.ts';
import { realTimeSupport } from './rtc-config.ts';
import { keysName, smolVlaPrefix, smolVlaStep, smolVlaVision, valuesName } from './smolvla.ts';
import { emptySlots, type SmolVlaConfig, type SmolVlaInterface, smolVlaInterface } from './smolvla-config.ts';
import { type ExpertLayer, expertLayers } from './smolvla-layers.ts';
import { type ImageMarks, openImageMarks, type PrefixLayout, prefixLayout } from './smolvla-prefix.ts';
import { HEAD_WIDTH, type SmolVlaSizes, smolVlaSizes } from './smolvla-sizes.ts';

/** A SmolVLA network that runs: vision once for each camera, the prefix once, then a run for each denoising step. */
export class SmolVlaModel implements Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  readonly flowSteps: number;
  readonly realTime: RealTimeSupport;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly #session: Session;
  readonly #config: SmolVlaConfig;
  readonly #ports: SmolVlaInterface;
  readonly #sizes: SmolVlaSizes;
  readonly #layers: readonly ExpertLayer[];
  readonly #marks: ImageMarks | undefined;
  /** The picture's buffer, moved to the session's thread and back. */
  #buffer: TensorValue | undefined;

  private constructor(
    session: Session,
    parts: {
      config: SmolVlaConfig;
      ports: SmolVlaInterface;
      sizes: SmolVlaSizes;
      layers: readonly ExpertLayer[];
      marks: ImageMarks | undefined;
    },
  ) {
    const { config, ports } = parts;
    this.#session = session;
    this.#config = config;
    this.#ports = ports;
    this.#sizes = parts.sizes;
    this.#layers = parts.layers;
    this.#marks = parts.marks;
    this.pictures = ports.cameras;
    this.vectors = [{ feature: STATE, length: ports.stateLength }];
    this.chunkRows = config.chunk_size;
    this.actionLength = ports.actionLength;
    this.realTime = realTimeSupport(config.rtc_config, 0);
    this.flowSteps = config.num_steps;
    this.loadMs = session.loadMs;
    this.threads = session.threads;
  }

  /** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID, TOKENIZER_MISSING, MODEL_FAILED */
  static async open(
    { config, configFile, folder, weights }: CheckpointFolder<SmolVlaConfig>,
    options: ModelOptions,
  ): Promise<SmolVlaModel> {
    const ports = smolVlaInterface(config, configFile);
    const found = new Map([...weights.tensors].map(([name, { shape }]) => [name, shape]));
    const sizes = smolVlaSizes(config, weights.path, found);
    const layers = expertLayers(config, sizes, configFile);
    const marks = config.add_image_special_tokens
      ? await openImageMarks(folder, config.vlm_model_name)
      : undefined;
    const source = new FileTensors(weights);
    const stages = [
      { name: 'vision', model: smolVlaVision(sizes, ports.side, source).toBytes() },
      { name: 'prefix', model: smolVlaPrefix(config, sizes, layers, source).toBytes() },
      { name: 'step', model: smolVlaStep(config, sizes, layers, source).toBytes() },
    ];
    const session = await Session.open({ ...options, stages, folder: dirname(weights.path) });
    return new SmolVlaModel(session, { config, ports, sizes, layers, marks });
  }

  async predict(batch: Batch, options: InferOptions): Promise<ArrayLike<number>> {
    const chunk = this.#continuation(batch, options);
    const seen: Float32Array[] = [];
    for (const { feature } of this.pictures) {
      const picture = batch.pictures.get(feature);
      if (picture !== undefined) seen.push(await this.#look(picture, seen.length, options));
    }
    const prefix = await this.#read(batch, seen, options);
    const { chunk_size: rows, max_action_dim: width } = this.#config;
    const velocity = this.#velocityField(prefix);
    const actions = await integrateFlow((x, { time }) => velocity(x, time), {
      rows,
      width,
      defaultSteps: this.flowSteps,
      continuation: chunk,
      options,
    });
    const { actionLength } = this;
    return Float32Array.from(
      { length: rows * actionLength },
      (_, i) => actions[Math.floor(i / actionLength) * width + (i % actionLength)] as number,
    );
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #continuation(batch: Batch, { realTimeChunk }: InferOptions): ChunkContinuation | undefined {
    const previous = batch.vectors.get(ACTION);
    if (realTimeChunk === undefined || previous === undefined) return undefined;
    const { chunk_size: rows, max_action_dim: width } = this.#config;
    return continuation(realTimeChunk, previous, { rows, width, support: this.realTime });
  }

  /** One picture's tokens, [cells, text width]. */
  async #look(picture: Picture, index: number, { signal, onStage }: InferOptions): Promise<Float32Array> {
    signal?.throwIfAborted();
    const { side } = this.#ports;
    const started = performance.now();
    // A failed run keeps the buffer it was given; then there is none to use again.
    const buffer = this.#buffer ?? { shape: [1, 3, side, side], data: new Float32Array(3 * side * side) };
    this.#buffer = undefined;
    const target = { width: side, height: side, place: 'end', scale: 2, shift: -1, padding: -1 } as const;
    resizeWithPad(picture, target, buffer.data as Float32Array);
    const run = await this.#session.run('vision', { picture: buffer }, { fetch: ['tokens'] });
    this.#buffer = run.inputs.picture;
    onStage?.(`vision ${index + 1}`, performance.now() - started);
    return run.outputs.tokens?.data as Float32Array;
  }

  /** Runs the prefix, whose keys and values stay in the session's thread. */
  async #read(
    batch: Batch,
    seen: readonly Float32Array[],
    { signal, onStage }: InferOptions,
  ): Promise<PrefixLayout> {
    signal?.throwIfAborted();
    const { text } = this.#sizes;
    const layout = prefixLayout({
      pictures: seen,
      width: text.width,
      words: batch.tokens?.ids ?? [],
      emptySlots: emptySlots(this.#config, seen.length),
      marks: this.#marks,
    });
    for (const id of layout.ids) this.#checkToken(id);
    const state = new Float32Array(this.#config.max_state_dim);
    state.set(batch.vectors.get(STATE) ?? []);
    const inputs: Record<string, ModelInput> = {
      ...layout.inputs,
      ...rotaryTable(positionsFrom(0, layout.tokens), HEAD_WIDTH),
      state: { shape: [1, state.length], data: state },
    };
    const names = this.#layers.flatMap((layer) => [keysName(layer), valuesName(layer)]);
    const keep = Object.fromEntries(names.map((name) => [name, name]));
    const { durationMs } = await this.#session.run('prefix', inputs, { keep });
    onStage?.('prefix', durationMs);
    return layout;
  }

  #checkToken(id: number): void {
    const { vocabulary } = this.#sizes.text;
    if (id < vocabulary) return;
    throw new MyelinError('MODEL_FAILED', {
      action: 'read the task',
      reason: `its tokenizer answers ${id}, the model knows ${vocabulary} words: they do not belong together`,
    });
  }

  #velocityField({
    tokens,
  }: PrefixLayout): (x: Float32Array<ArrayBuffer>, time: number) => Promise<Float32Array> {
    const { chunk_size: rows, max_action_dim: width, min_period, max_period } = this.#config;
    const periods = { minPeriod: min_period, maxPeriod: max_period };
    const looksAtItself = this.#layers.some(({ attention }) => attention === 'self');
    const kept = Object.fromEntries(
      this.#layers
        .flatMap((layer) => [keysName(layer), valuesName(layer)])
        .map((name) => [name, { kept: name }]),
    );
    return async (x, time) => {
      const embedding = timeEmbedding([time], this.#sizes.expert.width, periods);
      const own: Record<string, ModelInput> = looksAtItself
        ? { ...rotaryTable(positionsFrom(tokens, rows), HEAD_WIDTH), mask: futureMask(rows, tokens) }
        : {};
      const inputs: Record<string, ModelInput> = {
        ...kept,
        ...own,
        actions: { shape: [rows, width], data: x },
        time: { shape: [1, embedding.length], data: embedding },
      };
      const { outputs } = await this.#session.run('step', inputs, { fetch: ['velocity'] });
      return outputs.velocity?.data as Float32Array;
    };
  }
}

/** Added to scores: all of the prefix, and of the actions those that come no later. */
function futureMask(rows: number, prefix: number): TensorValue {
  const seen = prefix + rows;
  const data = new Float32Array(rows * seen);
  for (let row = 0; row < rows; row++) {
    data.fill(Number.NEGATIVE_INFINITY, row * seen + prefix + row + 1, (row + 1) * seen);
  }
  return { shape: [rows, seen], data };
}
