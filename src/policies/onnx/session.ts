import { parse } from 'node:path';
import { Worker } from 'node:worker_threads';
import { MyelinError } from '../../core/errors.ts';
import { distEntry } from '../../platform/entry.ts';
import { parseDevice } from './device.ts';
import type {
  ModelInput,
  ModelStage,
  RunRequest,
  StagePorts,
  TensorValue,
  WorkerReply,
  WorkerSettings,
} from './session-protocol.ts';
import { threadsHere } from './threads.ts';

export interface SessionOptions {
  readonly stages: readonly ModelStage[];
  /** Absolute, real folder of the checkpoint: on the volume that holds all of its external data. */
  readonly folder: string;
  /** What to run on, as `--device` takes it. Default `auto`. */
  readonly device?: string;
  /** Threads the model computes with. Default: all cores, but one when a control loop keeps time on this machine. */
  readonly threads?: number;
  /** Added to the threads' nice value, 0 to 19. Default 5: inference gives way to what keeps time. */
  readonly niceness?: number;
  /** Told what the model runs on and why, in a sentence. */
  readonly onNote?: (sentence: string) => void;
  /** The thread's program. Default: `session-worker.js` of this package. */
  readonly entry?: string;
}

export interface RunResult {
  readonly durationMs: number;
  readonly outputs: Readonly<Record<string, TensorValue>>;
  /** The input buffers, back again: the ones passed in were moved to the thread and are empty now. */
  readonly inputs: Readonly<Record<string, TensorValue>>;
}

export interface RunOptions {
  readonly keep?: Readonly<Record<string, string>>;
  readonly fetch?: readonly string[];
}

interface Pending {
  readonly stage: string;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A model in a worker thread of its own: one or more stages, each an ONNX session. Runs queue up in order and
 * never block the caller's event loop; results may stay in the thread as inputs of a later stage.
 *
 * @example
 * const session = await Session.open({ stages: [{ name: 'model', model: bytes }], folder: '/models' });
 * const { outputs } = await session.run('model', { x: { shape: [1, 3], data } }, { fetch: ['y'] });
 * await session.close();
 */
export class Session {
  /** Milliseconds each stage took to load. */
  readonly loadMs: Readonly<Record<string, number>>;
  readonly ports: Readonly<Record<string, StagePorts>>;
  readonly threads: number;
  /** What it runs on: `cpu`, `cuda:1`. */
  readonly device: string;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #gone: MyelinError | undefined;

  private constructor(worker: Worker, threads: number, ready: WorkerReply & { kind: 'ready' }) {
    this.#worker = worker;
    this.threads = threads;
    this.loadMs = ready.loadMs;
    this.ports = ready.ports;
    this.device = ready.device;
    worker.on('message', (reply: WorkerReply) => this.#settle(reply));
    worker.on('error', (error) => this.#die(error.message));
    worker.on('exit', (code) => this.#die(`its thread ended (code ${code})`));
    // An idle model does not keep the program alive; a run in progress does.
    worker.unref();
  }

  /**
   * @throws MyelinError MODEL_FAILED when the runtime or a stage cannot be loaded, DEVICE_UNAVAILABLE,
   *   INVALID_ARGUMENT
   */
  static async open(options: SessionOptions): Promise<Session> {
    const { threads, reason } = threadsHere(options.threads);
    const settings: WorkerSettings = {
      stages: options.stages,
      root: parse(options.folder).root,
      device: parseDevice(options.device ?? 'auto'),
      threads,
      niceness: options.niceness ?? 5,
    };
    const worker = new Worker(options.entry ?? distEntry('policies/onnx/session-worker.js'), {
      workerData: settings,
      stdin: false,
    });
    const failed = (stage: string, reason: string) =>
      new MyelinError('MODEL_FAILED', { action: `load (${stage})`, reason });
    try {
      const first = await new Promise<WorkerReply>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', (error) => reject(failed('worker', error.message)));
        worker.once('exit', (code) => reject(failed('worker', `its thread ended (code ${code})`)));
      });
      if (first.kind === 'unusable') throw failed(first.stage, first.reason);
      if (first.kind === 'no-device') {
        const { device, reason, advice } = first;
        throw new MyelinError('DEVICE_UNAVAILABLE', { device, reason, advice });
      }
      if (first.kind !== 'ready') throw failed('worker', `it began with "${first.kind}"`);
      const { device, deviceReason } = first;
      options.onNote?.(`the model runs on ${device}, ${deviceReason}; threads: ${reason}`);
      return new Session(worker, threads, first);
    } catch (thrown) {
      await worker.terminate();
      throw thrown;
    }
  }

  /**
   * Runs a stage. The inputs' buffers move to the thread; `RunResult.inputs` gives them back.
   * @throws MyelinError MODEL_FAILED
   */
  run(
    stage: string,
    inputs: Readonly<Record<string, ModelInput>>,
    options: RunOptions = {},
  ): Promise<RunResult> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#nextId++;
    const request: RunRequest = {
      kind: 'run',
      id,
      stage,
      inputs,
      keep: options.keep ?? {},
      fetch: options.fetch ?? [],
    };
    const transfer = Object.values(inputs).flatMap((input) => ('kept' in input ? [] : [input.data.buffer]));
    return new Promise((resolve, reject) => {
      this.#worker.postMessage(request, transfer);
      this.#pending.set(id, { stage, resolve, reject });
      this.#worker.ref();
    });
  }

  /** Ends the thread; runs in progress are refused. Idempotent. */
  async close(): Promise<void> {
    this.#die('it was closed');
    await this.#worker.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #settle(reply: WorkerReply): void {
    if (reply.kind !== 'done' && reply.kind !== 'failed') return;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if (reply.kind === 'done') pending?.resolve(reply);
    else
      pending?.reject(
        new MyelinError('MODEL_FAILED', { action: `run (${pending.stage})`, reason: reply.reason }),
      );
  }

  #die(reason: string): void {
    this.#gone ??= new MyelinError('MODEL_FAILED', { action: 'run', reason });
    for (const { reject } of this.#pending.values()) reject(this.#gone);
    this.#pending.clear();
  }
}
