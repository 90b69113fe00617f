import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Confinement } from '../sandbox/layers.ts';
import { exitReason } from './exit-reason.ts';

const MOST_LINE = 500;
const LINES_TOLD = 8;

/** How a step ended: `undefined` when all went well, else why, with the last lines it wrote. */
export type StepFailure = string | undefined;

/** Runs one command to its end inside a confinement, telling what it writes line by line. */
export function runConfinedStep(
  confinement: Confinement,
  command: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly limitMs: number;
    readonly onLine: (text: string) => void;
  },
): Promise<StepFailure> {
  const [program = '', ...args] = confinement.wrap(command);
  const { cwd, env, limitMs, onLine } = options;
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const last: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      const text = line.trimEnd().slice(0, MOST_LINE);
      if (text === '') return;
      last.push(text);
      if (last.length > LINES_TOLD) last.shift();
      onLine(text);
    });
  }
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      confinement.kill();
    }, limitMs);
    const done = (failure: StepFailure) => {
      clearTimeout(timer);
      resolve(failure);
    };
    child.once('error', (error) => done(error.message));
    child.once('close', (code, signal) => {
      if (code === 0) done(undefined);
      else if (late) done(`it took longer than ${limitMs / 1000} s`);
      else {
        const reason = exitReason({ code, signal, limit: confinement.limitHit() });
        done([`${command[0]} ${reason}`, ...last].join('\n'));
      }
    });
  });
}
