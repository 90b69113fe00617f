import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { lookAtProcess } from './process-look.ts';

let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

const start = (script: string): number => {
  child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  return child.pid ?? 0;
};

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('a look at a process', () => {
  it('tells one that spins by its growing time on a core', async () => {
    const pid = start('for (;;);');
    const before = lookAtProcess(pid).cpuNs;
    await until(() => lookAtProcess(pid).cpuNs > before + 20e6);
    expect(lookAtProcess(pid).state).toBe('R');
  });

  it('tells one that was stopped', async () => {
    const pid = start('setInterval(() => {}, 1000)');
    child?.kill('SIGSTOP');
    await until(() => lookAtProcess(pid).state === 'T');
    const { cpuNs } = lookAtProcess(pid);
    expect(lookAtProcess(pid).cpuNs).toBe(cpuNs);
  });

  it('tells one that is gone', () => {
    expect(lookAtProcess(2 ** 30)).toEqual({ state: 'X', cpuNs: Number.NaN });
  });
});
