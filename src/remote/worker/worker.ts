import { MyelinError } from '../../core/errors.ts';
import type { ExecutorKinds } from '../executors/kinds.ts';
import { failureData } from '../executors/user-failure.ts';
import type { ProjectStore, ProjectVersion } from '../projects/project-store.ts';
import { failure, success } from '../protocol/answer.ts';
import type { Command, Published, Reply, WorkerStatus } from '../protocol/ipc.ts';
import type { ProcessParams } from '../protocol/requests.ts';
import type { Sandbox } from '../sandbox/layers.ts';
import { Acknowledger } from './acknowledger.ts';
import { Pool } from './pool.ts';
import { uploadedArchive } from './uploads.ts';

export interface WorkerOptions {
  readonly store: ProjectStore;
  readonly kinds: ExecutorKinds;
  readonly sandbox: Sandbox;
  readonly count: number;
  readonly maxExecutionMs: number;
  readonly loadTimeoutMs: number;
  readonly armSegment?: string;
  readonly publish: (message: Published) => void;
  /** Process groups that must not outlive the worker. */
  readonly onStarted: (pid: number) => void;
  readonly onEnded: (pid: number) => void;
  readonly endTenure: (pid: number) => boolean;
}

/** What the commands do, whatever they arrive by. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #pool: Pool;
  readonly #acknowledger = new Acknowledger();
  readonly #startedMs = performance.now();
  /** Updates run one after the other. */
  #updates: Promise<unknown> = Promise.resolve();
  /** Installations under way, by environment. */
  readonly #preparing = new Map<string, Promise<void>>();

  constructor(options: WorkerOptions) {
    const { publish } = options;
    this.#options = options;
    this.#pool = new Pool({
      ...options,
      prepare: (version) => this.#prepare(version),
      onPush: (project, event, data) => publish({ type: 'push', project, event, data }),
      onLog: (project, stream, text) => publish({ type: 'log', project, stream, text }),
    });
  }

  /** Answers one command. @throws MyelinError, which is the answer then */
  async handle(command: Command, reply: (answer: Reply) => void): Promise<void> {
    switch (command.command) {
      case 'process':
        return this.#process(command, reply);
      case 'update': {
        const turn = this.#updates.then(() => this.#update(command.data));
        this.#updates = turn.catch(() => undefined);
        return reply(success('Project updated', describe(await turn)));
      }
      case 'start': {
        const { version, loaded } = await this.#pool.start(command.data.project);
        return reply(success('Project started', { ...describe(version), ...loaded }));
      }
      case 'rollback':
        return reply(success('Project rolled back', describe(await this.#rollback(command.data))));
      case 'restart':
        await this.#pool.restart(command.data.project);
        return reply(success('Projects restarted'));
      case 'disconnect':
        return reply(success('Projects stopped', await this.#pool.stop()));
      case 'status':
        return reply(success('Worker status', this.status()));
    }
  }

  status(): WorkerStatus {
    return {
      pid: process.pid,
      uptimeS: (performance.now() - this.#startedMs) / 1000,
      instances: this.#pool.status(),
      sandbox: [...this.#options.sandbox.layers],
    };
  }

  /** Refuses what waits and ends every project. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  async #process(
    { params, id, reply: wanted = 'ack' }: Command,
    reply: (answer: Reply) => void,
  ): Promise<void> {
    if (params === undefined) {
      const advice = '{"command": "process", "params": {"object": …, "method": …, "args": {}}}';
      throw new MyelinError('REQUEST_INVALID', { detail: '`params` is missing', advice });
    }
    const result = this.#call(params);
    if (wanted === 'ack') reply(success('Accepted'));
    const over =
      wanted === 'both'
        ? this.#acknowledger.soon(() => reply({ ...success('Accepted'), final: false }))
        : undefined;
    const answer = await result;
    over?.();
    if (wanted !== 'ack') reply(wanted === 'both' ? { ...answer, final: true } : answer);
    const data = { ...answer, status: 'callback' as const, ...(id === undefined ? {} : { id }) };
    this.#options.publish({ type: 'callback', data });
  }

  /** The result of a call as an answer, whether it went well or not. */
  async #call(params: ProcessParams): Promise<Reply> {
    const name =
      params.object == null || params.object === '' ? params.method : `${params.object}.${params.method}`;
    try {
      return success(`${name} done`, await this.#pool.call(params));
    } catch (thrown) {
      return failure(thrown, failureData(thrown));
    }
  }

  async #update(data: Command['data']): Promise<ProjectVersion> {
    const { store } = this.#options;
    const archive = await uploadedArchive(data, store.uploadsFolder);
    try {
      const version = await store.add(archive.path, {
        ...(data.project === undefined ? {} : { project: data.project }),
        onProgress: (text) => this.#progress(data.project, 'unpack', text),
      });
      await this.#prepare(version);
      return await this.#pool.replace(version.project, () => store.switchTo(version.project, version.id));
    } finally {
      await archive.done();
    }
  }

  /** Installs what a version asks for. Who asks while it is installed waits for the same installation. */
  #prepare(version: ProjectVersion): Promise<void> {
    const { environment } = version;
    let work = this.#preparing.get(environment);
    if (work === undefined) {
      work = this.#install(version).finally(() => this.#preparing.delete(environment));
      this.#preparing.set(environment, work);
    }
    return work;
  }

  async #install(version: ProjectVersion): Promise<void> {
    const { kinds, sandbox } = this.#options;
    const { project, folder, environment, manifest } = version;
    await kinds.of(version.language).prepare?.(
      {
        project,
        folder,
        environment,
        sandbox,
        ...(manifest.entry === undefined ? {} : { entry: manifest.entry }),
      },
      (text) => this.#progress(project, 'install', text),
    );
  }

  async #rollback({ project, version }: Command['data']): Promise<ProjectVersion> {
    const { store } = this.#options;
    const name = project ?? (await store.current()).project;
    // One that was uploaded and could not be installed never ran; those before the current one did.
    if (version !== undefined) await this.#prepare(await store.version(name, version));
    return this.#pool.replace(name, () => store.rollback(project, version));
  }

  #progress(project: string | undefined, stage: string, text: string): void {
    this.#options.publish({ type: 'progress', ...(project === undefined ? {} : { project }), stage, text });
  }
}

const describe = ({ project, id, language, files }: ProjectVersion) => ({
  project,
  version: id,
  language,
  files: files.length,
});
