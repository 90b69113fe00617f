import { type ChildProcess, spawn } from 'node:child_process';
import { distEntry } from '../platform/entry.ts';
import { describeExit } from '../platform/supervisor.ts';
import { type ControlConfig, controlSettings } from './control-config.ts';
import type { LoopMessage } from './loop-messages.ts';

/** How the loop's process ended: an exit code, or the signal that killed it, and the same in words. */
export interface LoopEnd {
  readonly type: 'ended';
  readonly code: number | null;
  readonly text: string;
}

/**
 * Collection on the loop's own thread: what little there is to collect in a small young generation takes a fraction of
 * a millisecond, less than to wake helper threads of lower priority and to wait for them. `gc` is called before the
 * motors wake, and between ticks while they are.
 */
const V8_FLAGS = ['--single-threaded-gc', '--max-semi-space-size=1', '--expose-gc'];

/** The loop's process, as its guardian sees it. */
export class LoopChild {
  /** Resolves with the first thing the loop says, or with its end. */
  readonly started: Promise<LoopMessage | LoopEnd>;
  readonly ended: Promise<LoopEnd>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) =>
        resolve({ type: 'ended', code, text: describeExit(code, signal) }),
      );
      child.once('error', ({ message }) =>
        resolve({ type: 'ended', code: null, text: `could not be started (${message})` }),
      );
    });
    const said = new Promise<LoopMessage>((resolve) =>
      child.once('message', (message) => resolve(message as LoopMessage)),
    );
    this.started = Promise.race([said, this.ended]);
  }

  static start(config: ControlConfig): LoopChild {
    const settings = JSON.stringify(controlSettings(config));
    const entry = distEntry('control/loop-process.js');
    const child = spawn(process.execPath, [...V8_FLAGS, entry, settings, String(process.pid)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // A session of its own: Ctrl-C in the terminal reaches the guardian alone, which stops the arm in order.
      detached: true,
    });
    return new LoopChild(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Ends it at once. Resolves when it is gone, or after `patienceMs`: by then it runs no code of its own any more. */
  async kill(patienceMs: number): Promise<void> {
    this.#child.kill('SIGKILL');
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([this.ended, patience]);
    clearTimeout(timer);
  }
}
