import { MyelinError, toMyelinError } from '../../core/errors.ts';
import {
  type Executor,
  type ExecutorKind,
  type ExecutorOptions,
  type LoadedProject,
  NotBegun,
} from '../executors/executor.ts';
import type { ProjectVersion } from '../projects/project-store.ts';
import type { WorkerStatus } from '../protocol/ipc.ts';
import type { ProcessParams } from '../protocol/requests.ts';

export type InstanceStatus = WorkerStatus['instances'][number];

export interface InstanceOptions {
  readonly version: ProjectVersion;
  readonly kind: ExecutorKind;
  /** Everything an executor needs but the version's own. */
  readonly executor: Omit<
    ExecutorOptions,
    'project' | 'folder' | 'entry' | 'environment' | 'dataFolder' | 'network' | 'memoryMiB' | 'onExit'
  >;
  readonly dataFolder: () => Promise<string>;
  /** Process group of a new process, and the one that is gone. */
  readonly onStarted: (pid: number) => void;
  readonly onEnded: (pid: number) => void;
  /** The first load waits for this: the instance whose place it takes is gone then. */
  readonly after?: Promise<void>;
}

/** A call that is not answered yet. */
interface OpenCall {
  readonly params: ProcessParams;
  /** Whether the process of now has it. */
  given: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: MyelinError) => void;
}

/** Calls that may wait behind the one that runs. */
const MOST_QUEUED = 256;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;
const HEALTHY_AFTER_MS = 30_000;

/**
 * One project that is kept running: loaded when it is first needed, loaded again when its process ends, after a
 * growing pause. Calls run one after the other and wait while it is loaded again. Overflow: the newest is refused.
 */
export class Instance {
  readonly version: ProjectVersion;
  readonly holdsArm: boolean;
  /** Counts up with each use: for finding who was not used longest. */
  lastUse = 0;
  readonly #options: InstanceOptions;
  #executor: Executor | undefined;
  #loaded: LoadedProject | undefined;
  #loading: Promise<LoadedProject> | undefined;
  /** In the order they came, the one that runs first. */
  readonly #open: OpenCall[] = [];
  #state: InstanceStatus['state'] = 'stopped';
  #reason: string | undefined;
  #calls = 0;
  #failures = 0;
  #readyAtMs = 0;
  #refuseUntilMs = 0;
  #loadError: MyelinError | undefined;
  #closed: Promise<void> | undefined;
  #cancelPause: () => void = () => undefined;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.version = options.version;
    this.holdsArm = options.executor.armSegment !== undefined;
  }

  /** Of its process group, while there is one. */
  get pid(): number | undefined {
    return this.#executor?.pid;
  }

  get idle(): boolean {
    return this.#open.length === 0;
  }

  get queued(): number {
    return this.#open.length;
  }

  /**
   * Resolves once the project can be called.
   * @param anew try again even if it has just failed to load
   * @throws MyelinError PROJECT_LOAD_FAILED
   */
  ready(anew = false): Promise<LoadedProject> {
    if (this.#closed !== undefined) return Promise.reject(restarting());
    if (this.#loading !== undefined) return this.#loading;
    if (this.#loaded !== undefined) return Promise.resolve(this.#loaded);
    if (!anew && this.#loadError !== undefined && performance.now() < this.#refuseUntilMs) {
      return Promise.reject(this.#loadError);
    }
    return this.#loadAfter(this.#options.after ?? Promise.resolve());
  }

  /** @throws MyelinError QUEUE_FULL, and everything an executor and `ready` throw */
  call(params: ProcessParams): Promise<unknown> {
    if (this.#open.length > MOST_QUEUED) {
      return Promise.reject(new MyelinError('QUEUE_FULL', { waiting: this.#open.length - 1 }));
    }
    return new Promise((resolve, reject) => {
      const call: OpenCall = { params, given: false, resolve, reject };
      this.#open.push(call);
      if (this.#closed === undefined && this.#loaded !== undefined && this.#executor !== undefined)
        this.#give(call, this.#executor);
      // Once loaded it gets what waits then.
      else this.ready().catch((thrown) => this.#refuse(toMyelinError(thrown)));
    });
  }

  /** Calls the project's stop methods, beside a running call. Nothing to do when it is not loaded. */
  async stop(deadlineMs: number): Promise<readonly string[]> {
    return this.#loaded === undefined || this.#executor === undefined ? [] : this.#executor.stop(deadlineMs);
  }

  /** Refuses what waits, and ends the process. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  status(): InstanceStatus {
    const pid = this.#executor?.pid;
    return {
      project: this.version.project,
      version: this.version.id,
      language: this.version.language,
      ...(pid === undefined ? {} : { pid }),
      state: this.#state,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      calls: this.#calls,
      queued: Math.max(0, this.#open.length - 1),
      holdsArm: this.holdsArm,
      sandbox: [...(this.#executor?.layers ?? this.#options.executor.sandbox.layers)],
      ...(this.#loaded === undefined
        ? {}
        : {
            objects: Object.fromEntries(Object.entries(this.#loaded.objects).map(([k, v]) => [k, [...v]])),
            functions: [...this.#loaded.functions],
          }),
    };
  }

  /** Calls are given in order, and the executor keeps it. */
  #give(call: OpenCall, executor: Executor): void {
    call.given = true;
    this.#state = 'busy';
    this.#calls += 1;
    executor.execute(call.params).then(
      (value) => this.#answered(call, () => call.resolve(value)),
      (thrown) => {
        if (this.#closed !== undefined) this.#answered(call, () => call.reject(restarting()));
        else if (!(thrown instanceof NotBegun))
          this.#answered(call, () => call.reject(toMyelinError(thrown)));
        else {
          // It keeps its place for the next process.
          call.given = false;
          this.#calls -= 1;
        }
      },
    );
  }

  #answered(call: OpenCall, tell: () => void): void {
    this.#open.splice(this.#open.indexOf(call), 1);
    if (this.#open.length === 0 && this.#state === 'busy') this.#state = 'ready';
    tell();
  }

  /** Answers the calls that no process has. */
  #refuse(error: MyelinError): void {
    for (const call of this.#open.filter(({ given }) => !given))
      this.#answered(call, () => call.reject(error));
  }

  #loadAfter(pause: Promise<void>): Promise<LoadedProject> {
    this.#loading = pause.then(() => this.#load());
    this.#loading.catch((thrown) => this.#refuse(toMyelinError(thrown)));
    return this.#loading;
  }

  async #load(): Promise<LoadedProject> {
    if (this.#closed !== undefined) throw restarting();
    const { kind, version, executor: shared, onStarted, onEnded } = this.#options;
    this.#state = 'starting';
    const dataFolder = await this.#options.dataFolder();
    if (this.#closed !== undefined) throw restarting();
    const executor = kind.create({
      ...shared,
      dataFolder,
      project: version.project,
      folder: version.folder,
      environment: version.environment,
      network: version.manifest.network,
      memoryMiB: version.manifest.memoryMiB,
      ...(version.manifest.entry === undefined ? {} : { entry: version.manifest.entry }),
      onExit: (reason) => {
        if (pid !== undefined) onEnded(pid);
        this.#crashed(reason);
      },
    });
    this.#executor = executor;
    let pid: number | undefined;
    try {
      const loading = executor.load();
      pid = executor.pid;
      if (pid !== undefined) onStarted(pid);
      this.#loaded = await loading;
    } catch (thrown) {
      await executor.close();
      if (pid !== undefined) onEnded(pid);
      throw this.#failed(toMyelinError(thrown));
    }
    this.#loading = undefined;
    this.#loadError = undefined;
    this.#state = 'ready';
    this.#reason = undefined;
    this.#readyAtMs = performance.now();
    for (const call of this.#open.filter(({ given }) => !given)) this.#give(call, executor);
    return this.#loaded;
  }

  #failed(error: MyelinError): MyelinError {
    this.#loading = undefined;
    this.#loaded = undefined;
    this.#executor = undefined;
    this.#loadError = error;
    this.#refuseUntilMs = performance.now() + this.#nextPauseMs();
    this.#state = this.#closed === undefined ? 'failed' : 'stopped';
    this.#reason = String(error.parameters.reason ?? error.message);
    return error;
  }

  #crashed(reason: string): void {
    this.#loaded = undefined;
    this.#executor = undefined;
    if (this.#closed !== undefined) return;
    this.#reason = reason;
    this.#state = 'restarting';
    if (performance.now() - this.#readyAtMs > HEALTHY_AFTER_MS) this.#failures = 0;
    const pauseMs = this.#nextPauseMs();
    this.#options.executor.onLog(
      'system',
      `the project's process ended: ${reason}; it is loaded again in ${pauseMs / 1000} s`,
    );
    void this.#loadAfter(
      new Promise((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        this.#cancelPause = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    );
  }

  #nextPauseMs(): number {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures += 1;
    return pauseMs;
  }

  async #close(): Promise<void> {
    // Synchronously up to here: `#closed` is set by the caller once this returns its promise.
    await Promise.resolve();
    this.#cancelPause();
    this.#loadError = undefined;
    this.#refuse(restarting());
    const executor = this.#executor;
    const pid = executor?.pid;
    await executor?.close();
    if (pid !== undefined) this.#options.onEnded(pid);
    await this.#loading?.catch(() => undefined);
    this.#loaded = undefined;
    this.#executor = undefined;
    this.#state = 'stopped';
  }
}

const restarting = (): MyelinError =>
  new MyelinError('WORKER_UNAVAILABLE', { state: 'restarting the project' });
