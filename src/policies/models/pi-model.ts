import { dirname } from 'node:path';
import { ACTION, STATE } from '../features.ts';
import type { GenerateOptions, Model, ModelOptions, PictureNeed, VectorNeed } from '../model.ts';
import { positionsFrom, rotaryTable } from '../onnx/rotary.ts';
import { Session } from '../onnx/session.ts';
import type { ModelInput, ModelStage, TensorValue } from '../onnx/session-protocol.ts';
import { FileTensors } from '../onnx/weights.ts';
import type { InferOptions, RealTimeSupport } from '../policy.ts';
import type { Batch } from '../processors/batch.ts';
import { type FlowTime, integrateFlow, rowTimes } from '../samplers/flow-matching.ts';
import { continuation } from '../samplers/real-time-chunk.ts';
import { timeEmbedding } from '../samplers/time-embedding.ts';
import type { CheckpointFolder } from './kind.ts';
import { piFinish, piLanguage, piLogits, piModulation, piStep, piVision } from './pi.ts';
import { type PiConfig, type PiInterface, piInterface } from './pi-config.ts';
import { PiPrefix } from './pi-prefix.ts';
import { type PiSizes, piSizes } from './pi-sizes.ts';
import { PiTensors } from './pi-tensors.ts';

/** A pi0 or pi0.5 network that runs: the prefix once for what is seen and said, the expert once for each step. */
export class PiModel implements Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly flowSteps: number;
  readonly realTime: RealTimeSupport;
  /** There for models with a language head that training reached: pi0.5. */
  readonly generate?: (batch: Batch, options: GenerateOptions) => Promise<readonly number[]>;
  readonly #session: Session;
  readonly #config: PiConfig;
  readonly #sizes: PiSizes;
  readonly #prefix: PiPrefix;
  /** Steps whose times the thread's table of modulations is for. */
  #modulatedSteps = 0;

  private constructor(session: Session, config: PiConfig, ports: PiInterface, sizes: PiSizes) {
    this.#session = session;
    this.#config = config;
    this.#sizes = sizes;
    this.#prefix = new PiPrefix(session, ports, sizes);
    this.loadMs = session.loadMs;
    this.threads = session.threads;
    this.flowSteps = config.num_inference_steps;
    this.realTime = ports.realTime;
    this.pictures = ports.cameras.map((camera) => ({ ...camera, anySize: true, optional: true }));
    this.vectors = [{ feature: STATE, length: ports.stateLength }];
    this.chunkRows = config.chunk_size;
    this.actionLength = ports.actionLength;
    if (config.type === 'pi05') this.generate = (batch, options) => this.#prefix.generate(batch, options);
  }

  /** @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID, MODEL_FAILED */
  static async open(checkpoint: CheckpointFolder<PiConfig>, options: ModelOptions): Promise<PiModel> {
    const { config, configFile, weights } = checkpoint;
    const ports = piInterface(config, configFile);
    const found = new Map([...weights.tensors].map(([name, { shape }]) => [name, shape]));
    const sizes = piSizes(config, found, weights.path);
    const source = new PiTensors(new FileTensors(weights), found);
    // Stages that read far more weights than they compute with: where they lie, unless they are whole numbers.
    const rare = { lazy: true, lean: options.quantize === undefined };
    const stages: ModelStage[] = [
      { name: 'vision', model: piVision(sizes, ports.side, source).toBytes() },
      { name: 'language', model: piLanguage(sizes, ports.cameras.length, source).toBytes() },
      { name: 'step', model: piStep(config, sizes, source).toBytes() },
    ];
    if (config.type === 'pi05') {
      stages.push(
        { name: 'modulation', model: piModulation(sizes, source).toBytes(), ...rare },
        { name: 'finish', model: piFinish(sizes, source).toBytes(), lazy: true },
        { name: 'logits', model: piLogits(sizes, source).toBytes(), ...rare },
      );
    }
    const session = await Session.open({ ...options, stages, folder: dirname(weights.path) });
    return new PiModel(session, config, ports, sizes);
  }

  /** Normalised actions. `options.noise` is `chunk_size` rows of `max_action_dim` numbers. */
  async predict(batch: Batch, options: InferOptions): Promise<ArrayLike<number>> {
    const { chunk_size: rows, max_action_dim: width } = this.#config;
    const previous = batch.vectors.get(ACTION);
    const kept = await this.#prefix.read(batch, options);
    const given = await this.#conditions(batch, kept.tokens, options);
    const actions = await integrateFlow((x, at) => this.#velocity(x, at, { ...kept.inputs, ...given(at) }), {
      rows,
      width,
      defaultSteps: this.flowSteps,
      continuation:
        options.realTimeChunk === undefined || previous === undefined
          ? undefined
          : continuation(options.realTimeChunk, previous, { rows, width, support: this.realTime }),
      options,
    });
    return Float32Array.from({ length: rows * this.actionLength }, (_, i) => {
      const row = Math.floor(i / this.actionLength);
      return actions[row * width + (i % this.actionLength)] as number;
    });
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  async #velocity(
    x: Float32Array<ArrayBuffer>,
    _at: FlowTime,
    inputs: Readonly<Record<string, ModelInput>>,
  ): Promise<Float32Array> {
    const { chunk_size: rows, max_action_dim: width } = this.#config;
    const actions = { shape: [rows, width], data: x };
    const { outputs } = await this.#session.run('step', { ...inputs, actions }, { fetch: ['velocity'] });
    return outputs.velocity?.data as Float32Array;
  }

  /** What a step is told besides prefix and actions. */
  async #conditions(
    batch: Batch,
    prefixTokens: number,
    options: InferOptions,
  ): Promise<(at: FlowTime) => Record<string, ModelInput>> {
    const { chunk_size: rows } = this.#config;
    const { headWidth } = this.#sizes.expert;
    const suffix = this.#config.type === 'pi05' ? rows : rows + 1;
    const rotary = () => rotaryTable(positionsFrom(prefixTokens, suffix), headWidth);
    if (this.#config.type === 'pi0') {
      const state = this.#paddedState(batch);
      return ({ time }) => ({
        ...rotary(),
        state: { shape: [1, state.length], data: state.slice() },
        time: this.#embedded([time]),
        mask: stateMask(prefixTokens, rows),
      });
    }
    const steps = options.flowSteps ?? this.flowSteps;
    await this.#modulate(steps, options);
    // The last row of the table is time 0, of rows that are fixed.
    const moment = (time: number) => (time === 0 ? steps : Math.round((1 - time) * steps));
    return (at) => {
      const moments = at.fixedRows === 0 ? [moment(at.time)] : rowTimes(at, rows).map(moment);
      return {
        ...rotary(),
        modulation: { kept: 'modulation' },
        moments: { shape: [moments.length], data: BigInt64Array.from(moments, BigInt) },
      };
    };
  }

  /** Has the thread keep the expert's modulations for the times of this many steps. */
  async #modulate(steps: number, { onStage, signal }: InferOptions): Promise<void> {
    if (this.#modulatedSteps === steps) return;
    const times = Array.from({ length: steps + 1 }, (_, step) => 1 - step / steps);
    const { durationMs } = await this.#session.run(
      'modulation',
      { times: this.#embedded(times) },
      { keep: { modulation: 'modulation' } },
    );
    this.#modulatedSteps = steps;
    onStage?.('modulation', durationMs);
    signal?.throwIfAborted();
  }

  #embedded(times: readonly number[]): TensorValue {
    const { width } = this.#sizes.expert;
    const { min_period: minPeriod, max_period: maxPeriod } = this.#config;
    const data = timeEmbedding(times, width, { minPeriod, maxPeriod }) as Float32Array<ArrayBuffer>;
    return { shape: [times.length, width], data };
  }

  #paddedState(batch: Batch): Float32Array<ArrayBuffer> {
    const state = new Float32Array(this.#config.max_state_dim);
    state.set(batch.vectors.get(STATE) ?? []);
    return state;
  }
}

/** Added to pi0's scores: the state's token, first of the suffix, sees the prefix and itself but no action. */
function stateMask(prefixTokens: number, rows: number): TensorValue {
  const columns = prefixTokens + 1 + rows;
  const data = new Float32Array((rows + 1) * columns);
  data.fill(-3e38, prefixTokens + 1, columns);
  return { shape: [rows + 1, columns], data };
}
