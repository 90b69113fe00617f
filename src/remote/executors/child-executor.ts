import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import type { Confinement, SandboxLayer } from '../sandbox/layers.ts';
import { CallLine, type CallRequest } from './call-line.ts';
import { ChildLink, type LinkPipes } from './child-link.ts';
import type { Executor, ExecutorOptions, LoadedProject } from './executor.ts';
import { type Ending, exitReason } from './exit-reason.ts';
import { LogIntake } from './log-intake.ts';
import { PushGate } from './push-gate.ts';
import { type RunnerMessage, stopResultSchema } from './runner-messages.ts';
import { callFailed, loadFailed, type UserFailure } from './user-failure.ts';

/** How one language's runner is started. */
export interface RunnerStart {
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly pipes: LinkPipes;
  /** Paths it needs to read besides the project's own. */
  readonly readable: readonly string[];
}

interface PendingStop {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: MyelinError) => void;
  readonly timer: NodeJS.Timeout;
}

/** How long a project may take to leave when asked, before it is killed. */
const LEAVE_MS = 1000;

let starts = 0;

/** One project process, whatever its language: it is the runner behind the pipes that differs. */
export class ChildExecutor implements Executor {
  readonly #options: ExecutorOptions;
  readonly #start: () => RunnerStart;
  readonly #calls: CallLine;
  readonly #stops = new Map<number, PendingStop>();
  readonly #log: LogIntake;
  readonly #pushes = new PushGate();
  #confinement: Confinement | undefined;
  #link: ChildLink | undefined;
  #nextId = 1;
  #loading: { resolve: (loaded: LoadedProject) => void; reject: (error: MyelinError) => void } | undefined;
  /** Why we killed it ourselves, when we did. */
  #verdict: string | undefined;
  #loaded = false;
  #closing = false;
  #gone: Promise<void> = Promise.resolve();
  #end: () => void = () => undefined;

  constructor(options: ExecutorOptions, start: () => RunnerStart) {
    this.#options = options;
    this.#start = start;
    this.#log = new LogIntake(options.onLog);
    this.#calls = new CallLine({
      limitMs: options.maxExecutionMs,
      write: (call) => this.#write(call),
      onLate: (verdict) => this.#condemn(verdict),
    });
  }

  get pid(): number | undefined {
    return this.#link?.pid;
  }

  get layers(): readonly SandboxLayer[] {
    return this.#confinement?.layers ?? [];
  }

  load(): Promise<LoadedProject> {
    const { folder, environment, dataFolder, armSegment, sandbox, network, memoryMiB } = this.#options;
    const { command, env, pipes, readable } = this.#start();
    this.#confinement = sandbox.confine({
      name: `${process.pid}-${++starts}`,
      readable: [folder, environment, ...readable],
      writable: [dataFolder],
      network,
      memoryMiB,
      cameras: this.#options.cameras ?? false,
      ...(armSegment === undefined ? {} : { segment: armSegment }),
    });
    this.#gone = new Promise((resolve) => {
      this.#end = resolve;
    });
    const loaded = new Promise<LoadedProject>((resolve, reject) => {
      const limit = this.#options.loadTimeoutMs;
      const timer = setTimeout(
        () => this.#condemn(`it did not finish loading within ${limit / 1000} s`),
        limit,
      );
      this.#loading = {
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
    this.#link = new ChildLink({
      command: this.#confinement.wrap(command),
      cwd: folder,
      env: { ...baseEnvironment(this.#options), ...this.#confinement.environment, ...env },
      pipes,
      log: this.#log,
      onMessage: (message) => this.#take(message),
      onBroken: (why) => this.#condemn(why),
      onEnd: (ending) => this.#ended(ending),
    });
    return loaded;
  }

  execute(call: CallRequest): Promise<unknown> {
    return this.#calls.add(call);
  }

  async stop(deadlineMs: number): Promise<readonly string[]> {
    const { called, failed } = stopResultSchema.parse(await this.#stop(deadlineMs));
    for (const { name, type, message, traceback } of failed) {
      this.#options.onLog('system', `${name}() failed: ${type}: ${message}\n${traceback}`.trimEnd());
    }
    return called;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#calls.halt();
    if (this.#link === undefined) return;
    this.#link.order({ type: 'close' });
    const force = setTimeout(() => this.#killAll(), LEAVE_MS);
    await this.#gone;
    clearTimeout(force);
  }

  #stop(deadlineMs: number): Promise<unknown> {
    const link = this.#link;
    if (link === undefined || this.#verdict !== undefined) {
      return Promise.reject(
        new MyelinError('PROJECT_CRASHED', { reason: this.#verdict ?? 'it does not run' }),
      );
    }
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#stops.delete(id);
        reject(new MyelinError('CALL_TIMEOUT', { call: 'stop', seconds: deadlineMs / 1000 }));
      }, deadlineMs);
      this.#stops.set(id, { resolve, reject, timer });
      link.order({ type: 'stop', id });
    });
  }

  #write({ object, method, args }: CallRequest): { id: number; length: number } {
    const id = this.#nextId++;
    const length = this.#link?.send({ type: 'call', object: object ?? null, method, args, id }) ?? 0;
    return { id, length };
  }

  #take(message: RunnerMessage): void {
    switch (message.type) {
      case 'ready':
        this.#loaded = true;
        this.#calls.open(message.ahead);
        this.#loading?.resolve({ objects: message.objects, functions: message.functions });
        this.#loading = undefined;
        return;
      case 'push':
        if (!this.#pushes.admits()) return;
        this.#tellDropped();
        this.#options.onPush(message.event, message.data);
        return;
      case 'result':
        this.#settle(message.id, { value: message.value ?? null });
        return;
      case 'error': {
        const {
          id,
          error = { type: 'Error', message: 'unknown', traceback: '' },
          unknown,
          known = '',
        } = message;
        if (id === null) this.#failLoading(`${error.type}: ${error.message}`, error);
        else if (unknown !== undefined) {
          const { project } = this.#options;
          this.#settle(id, { error: new MyelinError('CALL_UNKNOWN', { project, what: unknown, known }) });
        } else {
          this.#logFailure(error);
          this.#settle(id, { error: callFailed(error) });
        }
      }
    }
  }

  #settle(id: number, outcome: { value: unknown } | { error: MyelinError }): void {
    const stop = this.#stops.get(id);
    if (stop === undefined) {
      if (!this.#calls.settle(id, outcome)) this.#condemn('it answered a call before it was its turn');
      return;
    }
    clearTimeout(stop.timer);
    this.#stops.delete(id);
    if ('error' in outcome) stop.reject(outcome.error);
    else stop.resolve(outcome.value);
  }

  /** As a terminal would show it: whoever follows the log sees what callers are told. */
  #logFailure({ type, message, traceback }: UserFailure): void {
    const text = traceback === '' ? `${type}: ${message}` : traceback.trimEnd();
    for (const line of text.split('\n')) this.#log.line('stderr', line);
  }

  #failLoading(reason: string, failure?: UserFailure): void {
    if (failure !== undefined) this.#logFailure(failure);
    this.#loading?.reject(loadFailed(this.#options.project, reason, failure));
    this.#loading = undefined;
  }

  #tellDropped(): void {
    const dropped = this.#pushes.takeDropped();
    if (dropped > 0) {
      this.#options.onLog('system', `${dropped} pushed events were dropped: more than 1000 a second`);
    }
  }

  #condemn(verdict: string): void {
    this.#verdict ??= verdict;
    this.#killAll();
  }

  #killAll(): void {
    this.#link?.kill('SIGKILL');
    this.#confinement?.kill();
  }

  #ended(ending: Ending): void {
    const limit = this.#confinement?.limitHit();
    const reason = this.#verdict ?? exitReason({ ...ending, limit });
    this.#confinement?.close();
    this.#link = undefined;
    this.#verdict ??= reason;
    this.#log.tellDropped();
    this.#tellDropped();
    this.#failLoading(reason);
    this.#calls.end(reason);
    for (const id of [...this.#stops.keys()]) {
      this.#settle(id, { error: new MyelinError('PROJECT_CRASHED', { reason }) });
    }
    this.#end();
    if (this.#loaded && !this.#closing) this.#options.onExit(reason);
  }
}

/** Nothing of our own environment: it may hold secrets. */
function baseEnvironment(options: ExecutorOptions): NodeJS.ProcessEnv {
  const { dataFolder, project, armSegment, armRefusal } = options;
  const { PATH = '/usr/local/bin:/usr/bin:/bin', LANG = 'C.UTF-8', TZ } = process.env;
  return {
    PATH,
    LANG,
    HOME: dataFolder,
    TMPDIR: '/tmp',
    XDG_CACHE_HOME: join(dataFolder, '.cache'),
    MYELIN_PROJECT: project,
    MYELIN_DATA: dataFolder,
    ...(TZ === undefined ? {} : { TZ }),
    ...(armSegment === undefined ? {} : { MYELIN_SEGMENT: armSegment }),
    ...(armRefusal === undefined ? {} : { MYELIN_ARM_REFUSED: armRefusal }),
  };
}
