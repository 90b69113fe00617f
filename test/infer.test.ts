import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { SimulatedArm } from '../src/cli/self-test/simulated-arm.ts';
import { distEntry } from '../src/platform/entry.ts';
import { isAlive } from '../src/platform/process.ts';
import { openPty } from '../src/platform/tty.ts';
import { myelin, type Started, uniqueName, until } from './support/processes.ts';

/** `myelin infer` as a process, on the real control process and a simulated arm. */

let arm: SimulatedArm | undefined;
afterEach(async () => {
  await arm?.close();
  arm = undefined;
});

const startArm = async (): Promise<SimulatedArm> => {
  arm = await SimulatedArm.start({ control: ['--feedback-timeout', '0.5'] });
  return arm;
};

const inferArgs = (segment: string, ...more: string[]): string[] => [
  ...['infer', '--policy', 'scripted', '--segment', segment],
  ...more,
];

const infer = (segment: string, ...more: string[]): Started =>
  myelin(inferArgs(segment, '--no-display', ...more));

/** The lease is taken before the policy tells its name, since only its owner may. */
const commands = (of: SimulatedArm, pid: number): Promise<void> =>
  until('the policy commands', () => {
    const { leaseOwner, policyName } = of.segment.fields;
    return leaseOwner === pid && policyName !== '';
  });

const moves = (of: SimulatedArm): Promise<void> =>
  until('the arm moves', () => of.read().commandedVelocity.some((v) => Math.abs(v) > 0.05));

describe('myelin infer', () => {
  it('waits for the control process, moves the arm after START, and pauses it at a Ctrl-C', async () => {
    const early = infer(uniqueName('infer'));
    await early.says(/waiting for a control process on segment/);
    early.child.kill('SIGINT');
    expect(await early.exited).toBe(0);

    const running = await startArm();
    const policy = infer(running.name, '--task', 'sort the cubes');
    await commands(running, policy.pid);
    await until('its task is told', () => running.segment.fields.task === 'sort the cubes');
    expect(running.segment.fields).toMatchObject({
      policyName: 'scripted pick-and-sort',
      inferences: 0,
    });
    running.request('START');
    await moves(running);
    await until('the queue is told', () => running.segment.fields.queueDepth > 0);
    policy.child.kill('SIGINT');
    expect(await policy.exited).toBe(0);
    await running.untilState('PAUSED');
    expect(running.segment.fields.leaseOwner).toBe(0);
  });

  it('leaves the arm paused when it is killed; started again it goes on with the work', async () => {
    const running = await startArm();
    const first = infer(running.name, '--autostart');
    await commands(running, first.pid);
    await moves(running);
    first.child.kill('SIGKILL');
    await first.exited;
    await running.untilState('PAUSED');
    expect(isAlive(running.loopPid)).toBe(true);

    const second = infer(running.name, '--autostart');
    await commands(running, second.pid);
    // Whoever was there when the arm stopped decides when it moves again: --autostart is for an idle arm.
    expect(running.state()).toBe('PAUSED');
    running.request('START');
    await moves(running);
  });

  it('says who commands when somebody else does, and takes over when that one is gone', async () => {
    const running = await startArm();
    const first = infer(running.name);
    await commands(running, first.pid);
    const second = infer(running.name);
    await second.says(new RegExp(`waiting for the arm: .*${first.pid}`));
    first.child.kill('SIGTERM');
    await first.exited;
    await commands(running, second.pid);
  });

  it('finds its way back to a control process that was started again', async () => {
    const running = await startArm();
    const policy = infer(running.name);
    await commands(running, policy.pid);
    running.request('STOP');
    await running.controlExit;
    await running.startControl();
    await commands(running, policy.pid);
    running.request('START');
    await moves(running);
  });

  it('refuses what makes no sense, and says what would', async () => {
    const neither = myelin(['infer']);
    expect(await neither.exited).toBe(2);
    expect(neither.output()).toContain('--checkpoint PATH or --policy scripted');
    const missing = myelin([
      'infer',
      '--checkpoint',
      '/nowhere/at/all',
      '--segment',
      (await startArm()).name,
    ]);
    expect(await missing.exited).not.toBe(0);
    expect(missing.output()).toContain('/nowhere/at/all');
  });
});

/** A person at a terminal: presses keys, reads the screen. */
class Terminal implements AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly #pty = openPty();
  readonly #poll: NodeJS.Timeout;
  #screen = '';

  constructor(args: readonly string[]) {
    const end = openSync(this.#pty.path, 'r+');
    const child = spawn(process.execPath, [distEntry('cli/main.js'), ...args], { stdio: [end, end, end] });
    closeSync(end);
    this.pid = child.pid ?? -1;
    this.exited = new Promise((done) => {
      child.once('exit', (code, signal) => done(signal ?? code ?? -1));
    });
    // Somebody must read the screen, or a full terminal would stop the process.
    const bytes = new Uint8Array(4096);
    this.#poll = setInterval(() => {
      for (let count = this.#pty.read(bytes); count > 0; count = this.#pty.read(bytes)) {
        this.#screen += new TextDecoder().decode(bytes.subarray(0, count), { stream: true });
      }
    }, 5);
  }

  press(key: string): void {
    this.#pty.write(new TextEncoder().encode(key));
  }

  shows(text: string): Promise<void> {
    return until(`the screen shows "${text}"`, () => this.#screen.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (isAlive(this.pid)) process.kill(this.pid, 'SIGKILL');
    await this.exited;
    clearInterval(this.#poll);
    this.#pty.close();
  }
}

describe('the keys of myelin infer', () => {
  const atTerminal = async (run: (terminal: Terminal, running: SimulatedArm) => Promise<void>) => {
    const running = await startArm();
    const terminal = new Terminal(inferArgs(running.name));
    try {
      await commands(running, terminal.pid);
      await run(terminal, running);
    } finally {
      await terminal[Symbol.asyncDispose]();
    }
  };

  it('Space starts and pauses, R resets, Q quits and leaves the arm paused', async () => {
    await atTerminal(async (terminal, running) => {
      await terminal.shows('[Space] start');
      terminal.press(' ');
      await running.untilState('RUNNING');
      await moves(running);
      await terminal.shows('[Space] pause');
      terminal.press(' ');
      await running.untilState('PAUSED');
      terminal.press('r');
      await running.untilState('RESETTING');
      await running.untilState('IDLE', 20_000);
      terminal.press(' ');
      await running.untilState('RUNNING');
      // A cursor key begins with the same byte as Esc and means nothing.
      terminal.press('\u001b[A');
      terminal.press('q');
      expect(await terminal.exited).toBe(0);
      await running.untilState('PAUSED');
    });
  });

  it('Esc stops and damps the arm, and quits', async () => {
    await atTerminal(async (terminal, running) => {
      terminal.press(' ');
      await moves(running);
      terminal.press('\u001b');
      expect(await terminal.exited).toBe(0);
      expect(await running.controlExit).toBe(0);
      expect(running.state()).toBe('DAMPING');
    });
  });
});
