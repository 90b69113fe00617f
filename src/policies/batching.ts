import type { Model, PictureNeed, PredictRequest, VectorNeed } from './model.ts';
import type { InferOptions, RealTimeSupport } from './policy.ts';
import type { Batch } from './processors/batch.ts';

/** A model that answers several observations in one run, and does not look back at earlier ones. */
export type ManyModel = Model & Required<Pick<Model, 'predictMany'>>;

export const answersMany = (model: Model): model is ManyModel => model.predictMany !== undefined;

export interface BatchingOptions {
  /** Most observations in one run. Default 8. */
  readonly maxBatch?: number;
  /** Time an idle model waits for more observations once one is there, ms. Default 2. */
  readonly windowMs?: number;
  /** Waits that long. Default: a timer. */
  readonly wait?: (ms: number) => Promise<void>;
}

const MAX_BATCH = 8;
const WINDOW_MS = 2;

interface Waiting extends PredictRequest {
  /** Only requests of the same group can share a run. */
  readonly group: string;
  /** Whether nobody waits for the answer any more. */
  done: boolean;
  readonly resolve: (actions: ArrayLike<number>) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * One network for many clients: observations that wait at the same time are answered in one run. `fork()` gives each
 * client a way in of its own; calls of different clients may overlap.
 *
 * Clients take turns: each run begins with the one that has waited longest since its last, and takes one observation
 * of each other client before a second of any. `options.signal` withdraws an observation, so that a deadline is
 * `AbortSignal.timeout(ms)`; those it shared a run with are answered all the same. When a shared run fails, each
 * of its observations is tried alone, so that one that the model cannot stomach fails alone.
 */
export class BatchingModel implements Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly flowSteps: number | undefined;
  readonly realTime: RealTimeSupport | undefined;
  readonly maxBatch: number;
  readonly #model: ManyModel;
  readonly #windowMs: number;
  readonly #wait: (ms: number) => Promise<void>;
  /** What each client waits for, the client whose turn it is first. */
  readonly #lanes = new Map<object, Waiting[]>();
  #running = false;

  constructor(model: ManyModel, options: BatchingOptions = {}) {
    this.#model = model;
    this.pictures = model.pictures;
    this.vectors = model.vectors;
    this.chunkRows = model.chunkRows;
    this.actionLength = model.actionLength;
    this.loadMs = model.loadMs;
    this.threads = model.threads;
    this.flowSteps = model.flowSteps;
    this.realTime = model.realTime;
    this.maxBatch = options.maxBatch ?? MAX_BATCH;
    this.#windowMs = options.windowMs ?? WINDOW_MS;
    this.#wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  }

  predict(batch: Batch, options: InferOptions): Promise<ArrayLike<number>> {
    return this.#enqueue(this, batch, options);
  }

  /** A way in for another client. Closing it closes nothing. */
  fork(): Model {
    const { pictures, vectors, chunkRows, actionLength, loadMs, threads, flowSteps, realTime, maxBatch } =
      this;
    const lane: Model = {
      ...{ pictures, vectors, chunkRows, actionLength, loadMs, threads, flowSteps, realTime, maxBatch },
      predict: (batch, options) => this.#enqueue(lane, batch, options),
      fork: () => this.fork(),
      close: async () => undefined,
    };
    return lane;
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  #enqueue(lane: object, batch: Batch, options: InferOptions): Promise<ArrayLike<number>> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const settle = () => {
        waiting.done = true;
        signal?.removeEventListener('abort', withdraw);
      };
      const waiting: Waiting = {
        batch,
        options,
        group: groupOf(batch, options),
        done: false,
        resolve: (actions) => {
          settle();
          resolve(actions);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      };
      const withdraw = () => waiting.reject(signal?.reason);
      signal?.addEventListener('abort', withdraw);
      const queue = this.#lanes.get(lane);
      if (queue === undefined) this.#lanes.set(lane, [waiting]);
      else queue.push(waiting);
      void this.#work();
    });
  }

  /** Runs until nobody waits. */
  async #work(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      if (this.#windowMs > 0) await this.#wait(this.#windowMs);
      for (let run = this.#take(); run.length > 0; run = this.#take()) await this.#run(run);
    } finally {
      this.#running = false;
    }
  }

  /** The next run's requests: one of each client in turn, then second ones while there is room. */
  #take(): Waiting[] {
    const taken: Waiting[] = [];
    for (let before = -1; taken.length > before && taken.length < this.maxBatch; ) {
      before = taken.length;
      for (const [lane, queue] of [...this.#lanes]) {
        const waiting = queue.filter(({ done }) => !done);
        const next = waiting[0];
        if (next === undefined) {
          this.#lanes.delete(lane);
          continue;
        }
        if (taken.length === this.maxBatch || (taken[0] ?? next).group !== next.group) continue;
        taken.push(next);
        // To the end of the row: the others' turn comes first now.
        this.#lanes.delete(lane);
        this.#lanes.set(lane, waiting.slice(1));
      }
    }
    return taken;
  }

  async #run(run: readonly Waiting[]): Promise<void> {
    const [first, ...others] = run;
    if (first === undefined) return;
    if (others.length === 0) return this.#runAlone(first);
    const everyone = new AbortController();
    const stopWhenAllLeft = () => {
      if (run.every(({ done }) => done))
        everyone.abort(new DOMException('Nobody waits for it', 'AbortError'));
    };
    for (const { options } of run) options.signal?.addEventListener('abort', stopWhenAllLeft);
    try {
      const answers = await this.#model.predictMany(run, {
        signal: everyone.signal,
        onStage: (stage, ms) => {
          for (const { done, options } of run) if (!done) options.onStage?.(stage, ms);
        },
      });
      for (const [i, { done, resolve }] of run.entries()) if (!done) resolve(answers[i] ?? []);
    } catch {
      for (const waiting of run) if (!waiting.done) await this.#runAlone(waiting);
    } finally {
      for (const { options } of run) options.signal?.removeEventListener('abort', stopWhenAllLeft);
    }
  }

  async #runAlone(waiting: Waiting): Promise<void> {
    try {
      waiting.resolve(await this.#model.predict(waiting.batch, waiting.options));
    } catch (thrown) {
      waiting.reject(thrown);
    }
  }
}

let alone = 0;

/** What requests must have in common to share a run. */
function groupOf({ pictures }: Batch, { flowSteps, realTimeChunk }: InferOptions): string {
  if (realTimeChunk !== undefined) return `alone ${alone++}`;
  const seen = [...pictures].map(([name, { frame }]) => `${name} ${frame.width}x${frame.height}`);
  return JSON.stringify([flowSteps, ...seen]);
}
