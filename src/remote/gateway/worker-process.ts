import { distEntry } from '../../platform/entry.ts';
import { ManagedProcess } from '../../platform/supervisor.ts';
import type { SystemPaths } from '../config/paths.ts';
import type { Config } from '../config/settings.ts';
import type { WorkerLink } from './worker-link.ts';

export interface WorkerProcessOptions {
  readonly config: Config;
  readonly paths: SystemPaths;
  readonly link: WorkerLink;
  readonly onLine: (line: string) => void;
  readonly onEvent: (text: string) => void;
}

/** A worker that lives but says nothing for this long hangs, and is killed. */
const HANGING_MS = 15_000;
const LOOK_MS = 1000;
const GRACE_MS = 6000;

/** The flags of `myelin worker`: what it needs of the gateway's own configuration. */
export function workerArguments(config: Config, paths: SystemPaths): string[] {
  return [
    'worker',
    // Everything it needs is said here; a file in this folder may be another program's.
    ...['--config', '/dev/null'],
    ...['--storage', paths.storage],
    ...['--storage-dir', paths.projects],
    ...['--command-socket', paths.commandSocket],
    ...['--callback-socket', paths.callbackSocket],
    ...['--workers', String(config['worker.count'])],
    ...['--max-execution-time', String(config['worker.max_execution_time'])],
    ...['--segment', config['arm.segment']],
    ...['--log-level', config['log.level']],
    ...(config['worker.require_sandbox'] ? ['--require-sandbox'] : []),
  ];
}

/** The worker as a child of the gateway: started, watched, killed when it hangs, started again when it dies. */
export class WorkerProcess {
  readonly #process: ManagedProcess;
  readonly #options: WorkerProcessOptions;
  readonly #watch: NodeJS.Timeout;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    const { config, paths, link } = options;
    this.#process = new ManagedProcess({
      name: 'worker',
      command: () => [process.execPath, distEntry('cli/main.js'), ...workerArguments(config, paths)],
      onLine: (_name, line) => options.onLine(line),
      onEvent: (_name, text) => {
        // First the answers to everybody who waits, then the news.
        link.lost(this.#ended ? 'stopped' : 'restarting');
        options.onEvent(text);
      },
      // Wrong options never get better by trying again.
      shouldRestart: (code) => {
        this.#ended = code === 2;
        return !this.#ended;
      },
      restartMaxMs: 5000,
    });
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
  }

  #ended = false;

  get pid(): number | undefined {
    return this.#process.pid;
  }

  start(): void {
    this.#process.start();
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    await this.#process.close(GRACE_MS);
  }

  #look(): void {
    const { link, onEvent } = this.#options;
    if (!this.#process.running || link.silentMs < HANGING_MS) return;
    onEvent(`has said nothing for ${HANGING_MS / 1000} s and is killed`);
    this.#process.kill('SIGKILL');
    link.lost('restarting');
  }
}
