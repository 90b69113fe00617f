import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ArmSegment } from '../src/segment/arm-segment.ts';
import { myelin, uniqueName, until } from './support/processes.ts';

// Others may have been given the one right and not the other.
const mayAll = process.getuid?.() === 0 && spawnSync('chrt', ['--fifo', '1', 'true']).status === 0;

/** Real-time priority and niceness of each thread of a process. */
const ranks = (pid: number): { thread: number; priority: number; niceness: number }[] =>
  readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
    // Behind the name, which may hold anything: niceness is field 19 of all, real-time priority field 40.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { thread: Number(thread), priority: Number(fields[37]), niceness: Number(fields[16]) };
  });

describe('two arms that start at the same moment on one machine', () => {
  it('do not starve each other: neither misses its motors', async () => {
    const arms = [uniqueName('first'), uniqueName('second')].map((name) => ({
      name,
      control: myelin(['control', '--dry-run', '--segment', name]),
    }));
    for (const { name, control } of arms) {
      await control.says(/loop is process \d+/);
      const segment = ArmSegment.open(name);
      await until('it has held its arm for three seconds', () => segment.fields.tick > 1500);
      segment.close();
    }
    for (const { control } of arms) control.child.kill('SIGTERM');
    for (const { control } of arms) {
      const code = await control.exited;
      expect(code, control.output()).toBe(0);
    }
  });

  it('run in real time, with their helper threads where decision 0012 puts them', async (context) => {
    if (!mayAll) return context.skip('priorities are granted to root, where the machine grants them');
    const control = myelin(['control', '--dry-run', '--segment', uniqueName('ranks')]);
    await control.says(/loop is process \d+/);
    const pid = (said: RegExp) => Number(said.exec(control.output())?.[1]);
    const processes = [
      { pid: pid(/world .*\(process (\d+)\)/), priority: 60, helper: { priority: 0, niceness: -20 } },
      { pid: pid(/loop is process (\d+)/), priority: 80, helper: { priority: 79 } },
      { pid: Number(control.pid), priority: 78, helper: { priority: 0, niceness: -20 } },
    ];
    for (const { pid, priority, helper } of processes) {
      const threads = ranks(pid);
      expect(threads.find(({ thread }) => thread === pid)).toMatchObject({ priority });
      const helpers = threads.filter(({ thread }) => thread !== pid);
      expect(helpers.length).toBeGreaterThan(3);
      for (const thread of helpers) expect(thread).toMatchObject(helper);
    }
    control.child.kill('SIGTERM');
    expect(await control.exited).toBe(0);
  });
});
