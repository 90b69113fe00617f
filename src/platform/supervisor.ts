import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Why a child is gone, in words: `was killed (SIGKILL)`, `exited with code 3`. */
export const describeExit = (code: number | null, signal: NodeJS.Signals | null): string =>
  signal === null ? `exited with code ${code ?? 'unknown'}` : `was killed (${signal})`;

export interface ManagedProcessOptions {
  readonly name: string;
  /** Program and arguments of every start; called again each time, so they may change. */
  readonly command: () => readonly string[];
  /** One line the child wrote. */
  readonly onLine: (name: string, line: string) => void;
  /** Something happened to the child: a sentence for people. */
  readonly onEvent: (name: string, text: string) => void;
  /** Messages the child sends over its IPC channel. */
  readonly onMessage?: (message: unknown) => void;
  /** Whether an exit is to be followed by a new start. Default: always. */
  readonly shouldRestart?: (code: number | null, signal: NodeJS.Signals | null) => boolean;
  /** First pause before a restart, ms; doubles up to `restartMaxMs`, starts over after 30 s of life. Default 300. */
  readonly restartMinMs?: number;
  readonly restartMaxMs?: number;
}

const HEALTHY_AFTER_MS = 30_000;

/**
 * One child process kept alive: started, watched, restarted after a growing pause, stopped politely
 * (SIGTERM, then SIGKILL). Its output arrives line by line; a death is always told with its reason.
 */
export class ManagedProcess {
  readonly name: string;
  readonly #options: ManagedProcessOptions;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #startedMs = 0;
  #stopping = false;
  #exited: Promise<void> = Promise.resolve();

  constructor(options: ManagedProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  start(): void {
    if (this.#child !== undefined || this.#stopping) return;
    clearTimeout(this.#timer);
    const [program = process.execPath, ...args] = this.#options.command();
    this.#startedMs = performance.now();
    // Its own process group: a Ctrl-C in the terminal reaches the supervisor alone, which then stops things in order.
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) this.#readLines(stream);
    child.on('message', (message) => this.#options.onMessage?.(message));
    this.#exited = new Promise((resolve) => {
      const gone = (code: number | null, signal: NodeJS.Signals | null, error?: Error) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#afterExit(code, signal, error);
        resolve();
      };
      child.once('error', (error) => gone(null, null, error));
      child.once('exit', (code, signal) => gone(code, signal));
    });
  }

  /** Sends a message to the child; lost when it is not running. */
  send(message: object): void {
    if (this.#child?.connected) this.#child.send(message, () => undefined);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Stops for good. Resolves when the process is gone; after `graceMs` it is killed. Idempotent. */
  async close(graceMs = 4000): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    if (this.#child === undefined) return;
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child?.kill('SIGKILL'), graceMs);
    await this.#exited;
    clearTimeout(force);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #readLines(stream: Readable | null): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => this.#options.onLine(this.name, line));
  }

  #afterExit(code: number | null, signal: NodeJS.Signals | null, error: Error | undefined): void {
    if (this.#stopping) return;
    const what = error === undefined ? describeExit(code, signal) : `could not be started (${error.message})`;
    if (this.#options.shouldRestart?.(code, signal) === false) {
      this.#options.onEvent(this.name, what);
      return;
    }
    this.#failures = performance.now() - this.#startedMs > HEALTHY_AFTER_MS ? 0 : this.#failures;
    const { restartMinMs = 300, restartMaxMs = 10_000 } = this.#options;
    const pauseMs = Math.min(restartMaxMs, restartMinMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#options.onEvent(this.name, `${what}; restarting in ${(pauseMs / 1000).toFixed(1)} s`);
    this.#timer = setTimeout(() => this.start(), pauseMs);
  }
}
