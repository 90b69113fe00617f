import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ControlState, Request } from '../src/core/control-state.ts';
import { ArmSegment } from '../src/segment/arm-segment.ts';
import { WorldSegment } from '../src/segment/world-segment.ts';
import { freePorts } from './support/networked-arm.ts';
import { myelin, type Started, sharedMemoryWith, uniqueName, until } from './support/processes.ts';

/** The children of a process by the command they run (`world`, `control`, ...). */
function childrenOf(pid: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = Number(readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (parent === pid) found.set(args[2] ?? '', Number(entry));
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

interface Demo {
  readonly up: Started;
  readonly name: string;
  arm(): ArmSegment;
}

/** Starts the whole demo under a name of its own; resolves once the arm moves. */
async function demo(show: readonly string[] = ['--headless']): Promise<Demo> {
  const name = uniqueName('up');
  const up = myelin(['up', ...show, '--segment', name, '--world', name, '--camera-prefix', name]);
  await up.says(/the arm moves/);
  let arm = ArmSegment.open(name);
  return {
    up,
    name,
    arm: () => {
      if (!(arm.ownerAlive && arm.current)) {
        arm.close();
        arm = ArmSegment.open(name);
      }
      return arm;
    },
  };
}

const stateOf = ({ arm }: Demo): number | undefined => {
  try {
    return arm().fields.controlState;
  } catch {
    return undefined; // No control process just now.
  }
};

const stop = async ({ up, name }: Demo): Promise<void> => {
  up.child.kill('SIGINT');
  expect(await up.exited).toBe(0);
  expect(sharedMemoryWith(name)).toEqual([]);
};

describe('myelin up', () => {
  it('sorts a cube, and a Ctrl-C leaves nothing behind', async () => {
    const running = await demo();
    const world = WorldSegment.open(running.name);
    await until('a cube lies in its bin', () => world.fields.sorted >= 1, 90_000).catch((error: Error) =>
      expect.fail(`${error.message}\n${running.up.output()}`),
    );
    world.close();
    await stop(running);
  });

  it('starts a killed policy and a killed camera again, and the arm goes on after START', async () => {
    const running = await demo();
    for (const role of ['infer', 'camera']) {
      process.kill(childrenOf(running.up.pid).get(role) ?? -1, 'SIGKILL');
      await running.up.says(new RegExp(`${role} +was killed \\(SIGKILL\\); restarting`));
      await until(`${role} is back`, () => childrenOf(running.up.pid).has(role));
    }
    await until('the new policy commands', () => {
      const { leaseOwner } = running.arm().fields;
      return leaseOwner !== 0 && leaseOwner === childrenOf(running.up.pid).get('infer');
    });
    if (stateOf(running) !== ControlState.RUNNING) running.arm().request(Request.START);
    await until('it runs', () => stateOf(running) === ControlState.RUNNING);
    await stop(running);
  });

  it('starts a killed control process again; the arm waits in IDLE for somebody to press Start', async () => {
    const running = await demo();
    const first = running.arm().fields.controlPid;
    process.kill(first, 'SIGKILL');
    await running.up.says(/control +exited with code 1; restarting/);
    await until('a new loop holds the arm', () => {
      try {
        return running.arm().fields.controlPid !== first && running.arm().fields.tick > 500;
      } catch {
        return false;
      }
    });
    expect(stateOf(running)).toBe(ControlState.IDLE);
    running.arm().request(Request.START);
    await until('it runs', () => stateOf(running) === ControlState.RUNNING);
    await stop(running);
  });

  it('comes back after the world was killed', async () => {
    const running = await demo();
    process.kill(childrenOf(running.up.pid).get('world') ?? -1, 'SIGKILL');
    await running.up.says(/world +was killed \(SIGKILL\); restarting/);
    await running.up.says(/control +exited with code 1; restarting/);
    await until('the arm is held again', () => stateOf(running) === ControlState.IDLE, 40_000);
    await stop(running);
  });

  it('serves the page and remote control, and starts a killed gateway again', async () => {
    const storage = mkdtempSync(join(tmpdir(), 'myelin-up-'));
    const [port = 0] = await freePorts(1);
    const running = await demo(['--port', `${port}`, '--storage', storage]);
    const ready = async (): Promise<void> => {
      const answers = async (): Promise<boolean> =>
        (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.ok === true;
      while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await running.up.says(new RegExp(`gateway +.*http://127.0.0.1:${port}`));
    await ready();
    const page = await fetch(`http://127.0.0.1:${port}/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<script')]);

    process.kill(childrenOf(running.up.pid).get('gateway') ?? -1, 'SIGKILL');
    await running.up.says(/gateway +was killed \(SIGKILL\); restarting/);
    await until('the gateway is back', () => childrenOf(running.up.pid).has('gateway'));
    await ready();
    expect(stateOf(running)).toBe(ControlState.RUNNING);
    await stop(running);
    rmSync(storage, { recursive: true });
  });

  it('leaves a stopped arm stopped', async () => {
    const running = await demo();
    running.arm().request(Request.STOP);
    await running.up.says(/it will not move before Start/);
    expect(childrenOf(running.up.pid).has('control')).toBe(false);
    await stop(running);
  });

  it('takes everything with it when it is killed itself', async () => {
    const running = await demo();
    const children = [...childrenOf(running.up.pid).values()];
    running.up.child.kill('SIGKILL');
    await until('all of it is gone', () =>
      children.every((pid) => {
        try {
          process.kill(pid, 0);
          return false;
        } catch {
          return true;
        }
      }),
    );
    expect(sharedMemoryWith(running.name)).toEqual([]);
  });
});
