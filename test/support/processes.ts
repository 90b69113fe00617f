import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Everything written so far, both streams. */
  output(): string;
  /** Resolves with `code` or the signal's name once the process is gone. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Resolves when the output matches; rejects with the output when the process ends first or time runs out. */
  says(pattern: RegExp, timeoutMs?: number): Promise<string>;
}

const running = new Set<Started>();

/** Starts `myelin ...args` as its own process; whatever is still running after a test is killed and that fails nothing. */
export function myelin(args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  return start([process.execPath, resolve(ROOT, 'dist/cli/main.js'), ...args], env);
}

export function start(command: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      for (const check of waiting) check();
    });
  }
  const exited = new Promise<number | NodeJS.Signals>((done) => {
    child.once('exit', (code, signal) => done(signal ?? code ?? -1));
    child.once('error', () => done(-1));
  });
  const started: Started = {
    child,
    pid: child.pid ?? -1,
    output: () => text,
    exited,
    says: (pattern, timeoutMs = 45_000) =>
      new Promise((done, fail) => {
        const finish = (settle: () => void) => {
          clearTimeout(timer);
          waiting.delete(check);
          settle();
        };
        const check = () => {
          const match = text.match(pattern);
          if (match !== null) finish(() => done(match[0]));
        };
        const give = (why: string) =>
          finish(() => fail(new Error(`${why} before ${pattern}; output so far:\n${text}`)));
        const timer = setTimeout(() => give('time ran out'), timeoutMs);
        waiting.add(check);
        void exited.then((how) => {
          check();
          if (waiting.has(check)) give(`${args[1] ?? program} ended (${how})`);
        });
        check();
      }),
  };
  running.add(started);
  void exited.then(() => running.delete(started));
  return started;
}

/** Asks every process still running to stop, then kills it. Registered for every test file that imports this. */
export async function stopAll(): Promise<void> {
  const left = [...running];
  for (const { child } of left) {
    child.kill('SIGCONT');
    child.kill('SIGTERM');
  }
  const deadline = setTimeout(() => {
    for (const { child } of left) child.kill('SIGKILL');
  }, 6000);
  await Promise.all(left.map(({ exited }) => exited));
  clearTimeout(deadline);
}

afterEach(stopAll);

/** Names under /dev/shm that contain `mark`: what a run left behind. */
export const sharedMemoryWith = (mark: string): string[] =>
  readdirSync('/dev/shm').filter((name) => name.includes(mark));

/** Waits until the condition holds; fails with what it waited for. */
export async function until(what: string, condition: () => boolean, timeoutMs = 45_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

let counter = 0;
/** A name no other test, run or process uses. */
export const uniqueName = (prefix: string): string => `${prefix}_${process.pid}_${++counter}`;
