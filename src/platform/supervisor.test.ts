import { describe, expect, it } from 'vitest';
import { ManagedProcess } from './supervisor.ts';

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

const managed = (script: string, shouldRestart?: (code: number | null) => boolean) => {
  const lines: string[] = [];
  const events: string[] = [];
  const child = new ManagedProcess({
    name: 'child',
    command: () => [process.execPath, '-e', script],
    onLine: (_, line) => lines.push(line),
    onEvent: (_, text) => events.push(text),
    ...(shouldRestart && { shouldRestart }),
    restartMinMs: 10,
  });
  return { child, lines, events };
};

const FOREVER = 'console.log(process.pid); setInterval(() => {}, 1000)';

describe('a managed process', () => {
  it('is started again after kill -9, and says why', async () => {
    const { child, lines, events } = managed(FOREVER);
    child.start();
    await until(() => lines.length === 1);
    child.kill('SIGKILL');
    await until(() => lines.length === 2);
    expect(lines[0]).not.toBe(lines[1]);
    expect(events).toEqual(['was killed (SIGKILL); restarting in 0.0 s']);
    await child.close();
  });

  it('stays down when its exit is final', async () => {
    const { child, events } = managed('process.exit(3)', (code) => code !== 3);
    child.start();
    await until(() => events.length === 1);
    expect(events).toEqual(['exited with code 3']);
    expect(child.running).toBe(false);
    await child.close();
  });

  it('is killed when it ignores a polite stop', async () => {
    const { child, lines, events } = managed(`process.on('SIGTERM', () => {}); ${FOREVER}`);
    child.start();
    await until(() => lines.length === 1);
    await child.close(50);
    expect(child.running).toBe(false);
    expect(events).toEqual([]);
  });

  it('tells of a program that cannot be started', async () => {
    const events: string[] = [];
    const child = new ManagedProcess({
      name: 'child',
      command: () => ['/no/such/program'],
      onLine: () => undefined,
      onEvent: (_, text) => events.push(text),
      shouldRestart: () => false,
    });
    child.start();
    await until(() => events.length === 1);
    expect(events[0]).toContain('could not be started');
    await child.close();
  });
});
