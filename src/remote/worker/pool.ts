import { MyelinError, toMyelinError } from '../../core/errors.ts';
import type { ExecutorOptions, LoadedProject } from '../executors/executor.ts';
import type { ExecutorKinds } from '../executors/kinds.ts';
import type { ProjectStore, ProjectVersion } from '../projects/project-store.ts';
import type { ProcessParams } from '../protocol/requests.ts';
import type { Sandbox } from '../sandbox/layers.ts';
import { Instance, type InstanceStatus } from './instance.ts';

export interface PoolOptions {
  readonly store: ProjectStore;
  readonly kinds: ExecutorKinds;
  readonly sandbox: Sandbox;
  /** Project processes at a time, 1 or more. */
  readonly count: number;
  readonly maxExecutionMs: number;
  readonly loadTimeoutMs: number;
  /** Makes what a version needs to run; nothing to do when it is there. */
  readonly prepare: (version: ProjectVersion) => Promise<void>;
  /** Segment of the arm; one instance at a time may write it. */
  readonly armSegment?: string;
  readonly onPush: (project: string, event: string, data: unknown) => void;
  readonly onLog: (project: string, stream: 'stdout' | 'stderr' | 'system', text: string) => void;
  readonly onStarted: (pid: number) => void;
  readonly onEnded: (pid: number) => void;
  /** Takes the arm's lease from a project that is to do nothing any more. Whether it had it. */
  readonly endTenure: (pid: number) => boolean;
}

export interface StopOutcome {
  readonly stopped: readonly string[];
  readonly failed: readonly string[];
}

/** Commands that wait while versions are switched; more are refused. */
const MOST_WAITING = 256;
const STOP_DEADLINE_MS = 2000;

/**
 * The running projects. A project has one instance, and its calls meet the same one always; a stateless project gets
 * more while they are busy and there is room. When there is none, the instance that was idle longest makes way.
 */
export class Pool {
  readonly #options: PoolOptions;
  #instances: Instance[] = [];
  /** Versions in use by project; the one under '' is the current project. */
  readonly #versions = new Map<string, Promise<ProjectVersion>>();
  #switching: Promise<unknown> = Promise.resolve();
  #isSwitching = false;
  #waiting = 0;
  #uses = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** @throws MyelinError as an instance's `call` does, WORKER_UNAVAILABLE while nothing can be started */
  async call(params: ProcessParams): Promise<unknown> {
    const version = await this.#version(params.project);
    return this.#pick(version).call(params);
  }

  /** Loads a project, trying again even if it has just failed. @throws MyelinError PROJECT_LOAD_FAILED */
  async start(project?: string): Promise<{ version: ProjectVersion; loaded: LoadedProject }> {
    // What people changed by hand in the store counts from here on.
    this.#versions.clear();
    const version = await this.#version(project);
    await this.#end(
      this.#instances.filter(
        ({ version: { project: name, id } }) => name === version.project && id !== version.id,
      ),
    );
    return { version, loaded: await this.#pick(version).ready(true) };
  }

  /** Stops what the projects do in the background. They stay loaded. */
  async stop(): Promise<StopOutcome> {
    const outcome = await this.#stopAll(this.#instances);
    for (const { pid, version } of this.#instances) {
      if (pid === undefined || !this.#options.endTenure(pid)) continue;
      this.#options.onLog(version.project, 'system', 'it commands the arm no more: nobody operates it');
    }
    return outcome;
  }

  /**
   * Runs `change` while no call is started, after the project's instances have been stopped and ended; what arrives
   * meanwhile waits and meets the new version.
   */
  async replace(project: string, change: () => Promise<ProjectVersion>): Promise<ProjectVersion> {
    const turn = this.#switching.then(async () => {
      this.#isSwitching = true;
      try {
        const version = await change();
        this.#versions.clear();
        await this.#end(this.#instances.filter((instance) => instance.version.project === project));
        return version;
      } finally {
        this.#isSwitching = false;
      }
    });
    this.#switching = turn.catch(() => undefined);
    return turn;
  }

  /** Ends the instances of a project, or all; the next call starts them anew. */
  async restart(project?: string): Promise<void> {
    this.#versions.clear();
    await this.#end(
      this.#instances.filter(({ version }) => project === undefined || version.project === project),
    );
  }

  status(): InstanceStatus[] {
    return this.#instances.map((instance) => instance.status());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#end(this.#instances);
  }

  async #version(project = ''): Promise<ProjectVersion> {
    if (this.#isSwitching) await this.#wait();
    if (this.#closed) throw new MyelinError('WORKER_UNAVAILABLE', { state: 'stopping' });
    const known = this.#versions.get(project);
    if (known !== undefined) return known;
    const asked = this.#ready(project);
    this.#versions.set(project, asked);
    asked.catch(() => this.#versions.delete(project));
    return asked;
  }

  /** People may have changed files by hand, `requirements.txt` too: then nothing has been installed yet. */
  async #ready(project: string): Promise<ProjectVersion> {
    const version = await this.#options.store.current(project === '' ? undefined : project);
    await this.#options.prepare(version);
    return version;
  }

  async #wait(): Promise<void> {
    if (this.#waiting >= MOST_WAITING) throw new MyelinError('WORKER_UNAVAILABLE', { state: 'restarting' });
    this.#waiting += 1;
    try {
      while (this.#isSwitching) await this.#switching;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Decides in one go, so that two calls never start two instances where one is wanted. */
  #pick(version: ProjectVersion): Instance {
    // It may have been closed while the version was looked up: nobody would end an instance that began now.
    if (this.#closed) throw new MyelinError('WORKER_UNAVAILABLE', { state: 'stopping' });
    const mine = this.#instances.filter(
      (instance) => instance.version.id === version.id && instance.version.project === version.project,
    );
    const idle = mine.find((instance) => instance.idle);
    const mayGrow =
      mine.length === 0 || (version.manifest.stateless && this.#instances.length < this.#options.count);
    const chosen =
      idle ?? (mayGrow ? this.#create(version) : mine.reduce((a, b) => (b.queued < a.queued ? b : a)));
    chosen.lastUse = ++this.#uses;
    return chosen;
  }

  #create(version: ProjectVersion): Instance {
    const { kinds, sandbox, store, maxExecutionMs, loadTimeoutMs } = this.#options;
    const isFull = this.#instances.length >= this.#options.count;
    const after = isFull ? this.#makeRoom() : Promise.resolve();
    const { project } = version;
    const instance = new Instance({
      version,
      kind: kinds.of(version.language),
      after,
      dataFolder: () => store.dataFolder(project),
      executor: {
        sandbox,
        maxExecutionMs,
        loadTimeoutMs,
        cameras: version.manifest.arm,
        ...this.#armFor(version),
        onPush: (event, data) => this.#options.onPush(project, event, data),
        onLog: (stream, text) => this.#options.onLog(project, stream, text),
      },
      onStarted: this.#options.onStarted,
      onEnded: this.#options.onEnded,
    });
    this.#instances.push(instance);
    return instance;
  }

  /** One instance at a time has the arm, the first that wants it, for as long as it is kept. */
  #armFor({ manifest }: ProjectVersion): Pick<ExecutorOptions, 'armSegment' | 'armRefusal'> {
    const { armSegment } = this.#options;
    if (armSegment === undefined) return { armRefusal: 'this worker has no arm (--segment)' };
    if (!manifest.arm) return { armRefusal: 'its myelin.yaml says "arm: false"' };
    const holder = this.#instances.find(({ holdsArm }) => holdsArm);
    if (holder === undefined) return { armSegment };
    const { project } = holder.version;
    return {
      armRefusal: `project ${project} holds it; a project that needs no arm says "arm: false" in its myelin.yaml`,
    };
  }

  #makeRoom(): Promise<void> {
    const [oldest] = this.#instances.filter(({ idle }) => idle).sort((a, b) => a.lastUse - b.lastUse);
    if (oldest === undefined) {
      throw new MyelinError('WORKER_UNAVAILABLE', {
        state: `busy with ${this.#instances.length} other project(s), as many as worker.count allows`,
      });
    }
    return this.#end([oldest]);
  }

  /** Stops and ends instances; they count no longer at once. */
  async #end(ending: readonly Instance[]): Promise<void> {
    this.#instances = this.#instances.filter((instance) => !ending.includes(instance));
    await this.#stopAll(ending);
    await Promise.all(ending.map((instance) => instance.close()));
  }

  async #stopAll(instances: readonly Instance[]): Promise<StopOutcome> {
    const failed: string[] = [];
    const stopped = await Promise.all(
      instances.map(async (instance) => {
        const { project } = instance.version;
        try {
          return await instance.stop(STOP_DEADLINE_MS);
        } catch (thrown) {
          const { message } = toMyelinError(thrown);
          failed.push(`${project}: ${message}`);
          this.#options.onLog(project, 'system', `it could not be stopped: ${message}`);
          return [];
        }
      }),
    );
    return { stopped: stopped.flat(), failed };
  }
}
