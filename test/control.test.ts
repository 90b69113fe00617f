import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Trace } from '../src/control/trace-reader.ts';
import { bitNames, ControlState, ErrorBit, Request } from '../src/core/control-state.ts';
import { monotonicNs, systemClock } from '../src/platform/clock.ts';
import { distEntry } from '../src/platform/entry.ts';
import { isAlive } from '../src/platform/process.ts';
import { ArmSegment, createArmSnapshot } from '../src/segment/arm-segment.ts';
import { ChunkWriter } from '../src/segment/chunk-exchange.ts';
import { Lease } from '../src/segment/lease.ts';
import { WorldClient } from '../src/world/world-client.ts';
import { myelin, type Started, sharedMemoryWith, start, uniqueName, until } from './support/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-control-'));
afterAll(() => rmSync(folder, { recursive: true }));

const startWorld = async (name: string): Promise<Started> => {
  const world = start([
    process.execPath,
    distEntry('world/world-process.js'),
    ...['--name', name, '--parent-pid', String(process.pid)],
  ]);
  await world.says(/ready/);
  return world;
};

interface Running {
  readonly name: string;
  readonly control: Started;
  readonly loopPid: number;
  readonly segment: ArmSegment;
}

/** A control process on the world of the same name, ticking. */
const startControl = async (name: string, args: readonly string[] = []): Promise<Running> => {
  const patience = ['--feedback-timeout', '0.5'];
  const control = myelin([
    'control',
    '--interface',
    `world:${name}`,
    '--segment',
    name,
    ...patience,
    ...args,
  ]);
  const loopPid = Number((await control.says(/loop is process \d+/)).match(/\d+/)?.[0]);
  const segment = ArmSegment.open(name);
  await until('the loop ticks', () => segment.fields.tick > 20);
  return { name, control, loopPid, segment };
};

const withArm = async (run: (arm: Running) => Promise<void>, args: readonly string[] = []): Promise<void> => {
  const name = uniqueName('control');
  await startWorld(name);
  const arm = await startControl(name, args);
  try {
    await run(arm);
  } finally {
    arm.segment.close();
  }
};

/** Nothing of a run is left: no segment, no loop. */
const expectNothingLeft = async ({ name, loopPid }: Running): Promise<void> => {
  await until('the loop is gone', () => !isAlive(loopPid));
  expect(sharedMemoryWith(name).filter((file) => file === name)).toEqual([]);
};

/** Looks for the segment without a pause, as the fastest commander would. */
const openAtOnce = (name: string): ArmSegment => {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    if (existsSync(`/dev/shm/${name}`)) return ArmSegment.open(name);
  }
  throw new Error('the segment never appeared');
};

const errorsOf = (segment: ArmSegment): string[] => bitNames(ErrorBit, segment.fields.errors);

/** The delay that the guardian reports, from the loop's last tick to its own first damping frames, ms. */
const reactionMs = (output: string): number =>
  Number(output.match(/damping ([\d.]+) ms after its last tick/)?.[1]);

/**
 * A machine that runs other things too may hold any process up, so the guardian has a few tries to be as quick as
 * it promises. One that is always slow fails.
 */
const untilQuick = async (once: () => Promise<number>, limitMs: number): Promise<void> => {
  const seen: number[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    seen.push(await once());
    if (Math.min(...seen) <= limitMs) return;
  }
  expect.fail(`the guardian took ${seen.join(', ')} ms, and may take ${limitMs}`);
};

describe('the control process', () => {
  it('says what is in force, publishes the arm, and damps it at a STOP', async () => {
    await withArm(async (arm) => {
      expect(arm.control.output()).toMatch(/joint1 +-3\.14 +2\.618/);
      expect(arm.control.output()).toMatch(/Timers: hold after 200 ms/);
      const snapshot = createArmSnapshot();
      expect(arm.segment.readState(snapshot)).toBe(true);
      expect(snapshot.controlState).toBe(ControlState.IDLE);
      expect(arm.segment.fields).toMatchObject({
        controlPid: arm.loopPid,
        guardianPid: arm.control.pid,
        dof: 7,
      });
      expect(snapshot.position.slice(0, 7).every(Number.isFinite)).toBe(true);
      await until('statistics are there', () => arm.segment.fields.ticks > 100);
      expect(arm.segment.fields.latenessHistogram.reduce((sum, count) => sum + count)).toBeGreaterThan(100);

      arm.segment.request(Request.STOP);
      expect(await arm.control.exited).toBe(0);
      expect(arm.segment.fields.controlState).toBe(ControlState.DAMPING);
      await expectNothingLeft(arm);
    });
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'stops the arm and leaves nothing at %s',
    async (signal) => {
      await withArm(async (arm) => {
        arm.control.child.kill(signal);
        expect(await arm.control.exited).toBe(0);
        expect(arm.segment.fields.controlState).toBe(ControlState.DAMPING);
        expect(arm.control.output()).toContain('The arm is at rest and damped.');
        await expectNothingLeft(arm);
      });
    },
  );

  it('takes one Ctrl-C that arrives twice for one, and does not wait after a second', async () => {
    await withArm(async (arm) => {
      process.kill(arm.loopPid, 'SIGSTOP');
      arm.control.child.kill('SIGINT');
      arm.control.child.kill('SIGINT');
      await arm.control.says(/Stopping/);
      await new Promise((done) => setTimeout(done, 400));
      arm.control.child.kill('SIGINT');
      expect(await arm.control.exited).toBe(1);
      await expectNothingLeft(arm);
    });
  });

  it('is damped by its guardian within 50 ms when the loop is killed', async () => {
    await untilQuick(async () => {
      let delay = Number.NaN;
      await withArm(async (arm) => {
        process.kill(arm.loopPid, 'SIGKILL');
        expect(await arm.control.exited).toBe(1);
        expect(arm.segment.fields.controlState).toBe(ControlState.DAMPING);
        expect(errorsOf(arm.segment)).toEqual(expect.arrayContaining(['GUARDIAN', 'HARDWARE']));
        expect(arm.control.output()).toMatch(/The control loop was killed \(SIGKILL\)/);
        expect(arm.control.output()).toMatch(/The arm is at rest/);
        await expectNothingLeft(arm);
        delay = reactionMs(arm.control.output());
      });
      return delay;
    }, 50);
  });

  it('is damped by its guardian within 50 ms when the loop is frozen, and never by two at once', async () => {
    await untilQuick(async () => {
      let delay = Number.NaN;
      await withArm(async (arm) => {
        process.kill(arm.loopPid, 'SIGSTOP');
        await arm.control.says(/The guardian has the arm/);
        expect(isAlive(arm.loopPid)).toBe(false);
        expect(await arm.control.exited).toBe(1);
        await expectNothingLeft(arm);
        delay = reactionMs(arm.control.output());
      });
      return delay;
    }, 50);
  });

  it('rests and ends by itself when the guardian is killed', async () => {
    await withArm(async (arm) => {
      arm.control.child.kill('SIGKILL');
      await until(
        'the loop has damped the arm',
        () => arm.segment.fields.controlState === ControlState.DAMPING,
      );
      await expectNothingLeft(arm);
      expect(errorsOf(arm.segment)).toContain('GUARDIAN');
    });
  });

  it('rests and ends by itself when the guardian is frozen', async () => {
    await withArm(async (arm) => {
      arm.control.child.kill('SIGSTOP');
      await until('the loop is gone', () => !existsSync(`/proc/${arm.loopPid}/exe`) || !isAlive(arm.loopPid));
      expect(arm.segment.fields.controlState).toBe(ControlState.DAMPING);
      arm.control.child.kill('SIGCONT');
      expect(await arm.control.exited).toBe(1);
      await expectNothingLeft(arm);
    });
  });

  it('takes over what a killed pair left behind', async () => {
    const name = uniqueName('control');
    await startWorld(name);
    const first = await startControl(name);
    process.kill(first.loopPid, 'SIGKILL');
    first.control.child.kill('SIGKILL');
    await first.control.exited;
    await until('the loop is gone', () => !isAlive(first.loopPid));
    first.segment.close();

    const second = await startControl(name);
    expect(second.segment.fields.controlPid).toBe(second.loopPid);
    second.control.child.kill('SIGTERM');
    expect(await second.control.exited).toBe(0);
    await expectNothingLeft(second);
    second.segment.close();
  });

  it('hears a commander that comes in the moment the segment appears, and has a pose for it', async () => {
    const name = uniqueName('control');
    await startWorld(name);
    // What is used below is loaded and warm by then.
    using rehearsed = ArmSegment.createHidden(name, { dof: 7, model: 'X5', interfaceName: 'none' });
    Lease.acquire(rehearsed, 'early', monotonicNs());
    const control = myelin([
      'control',
      ...['--interface', `world:${name}`, '--segment', name, '--feedback-timeout', '0.5'],
    ]);
    const segment = openAtOnce(name);
    try {
      const pose = [...segment.fields.position.subarray(0, segment.fields.dof)];
      expect(pose).not.toContain(0);
      pose[0]! += 0.5;
      const nowNs = monotonicNs();
      const lease = Lease.acquire(segment, 'early', nowNs);
      lease.heartbeat(nowNs, systemClock.unixS());
      const actions = Float64Array.from({ length: 120 * pose.length }, (_, i) => pose[i % pose.length]!);
      new ChunkWriter(segment).publish(
        { actions, rows: 120, dof: pose.length, stepPeriodS: 1 / 30, timestep: 0, observedNs: nowNs },
        nowNs,
      );
      segment.request(Request.START);
      const beat = setInterval(() => lease.heartbeat(monotonicNs(), systemClock.unixS()), 20);
      try {
        await until('the arm moves', () => Math.abs(segment.fields.commandedVelocity[0]!) > 0.1);
      } finally {
        clearInterval(beat);
      }
      segment.request(Request.STOP);
      expect(await control.exited).toBe(0);
    } finally {
      segment.close();
    }
  });

  it('lets nobody else near its arm', async () => {
    await withArm(async (arm) => {
      const sameBus = myelin(['control', '--interface', `world:${arm.name}`, '--segment', `${arm.name}_b`]);
      expect(await sameBus.exited).toBe(1);
      expect(sameBus.output()).toContain(`Another control process runs the arm on world:${arm.name}`);
      const sameSegment = myelin(['control', '--interface', 'world:elsewhere', '--segment', arm.name]);
      expect(await sameSegment.exited).toBe(1);
      expect(sameSegment.output()).toContain(`belongs to process ${arm.loopPid}, which is alive`);
      const tick = arm.segment.fields.tick;
      await until('the first one goes on', () => arm.segment.fields.tick > tick + 10);
    });
  });

  it('simulates with --dry-run: a world of its own, which ends with it', async () => {
    const name = uniqueName('control');
    const control = myelin(['control', '--dry-run', '--segment', name, '--feedback-timeout', '0.5']);
    const worldPid = Number((await control.says(/\(process \d+\)/)).match(/\d+/)?.[0]);
    await control.says(/loop is process \d+/);
    expect(isAlive(worldPid)).toBe(true);
    control.child.kill('SIGINT');
    expect(await control.exited).toBe(0);
    expect(isAlive(worldPid)).toBe(false);
    expect(sharedMemoryWith(name)).toEqual([]);
    expect(sharedMemoryWith(`dry-run-${control.pid}`)).toEqual([]);
  });

  it('records every tick into a trace that survives a kill', async () => {
    const path = join(folder, 'killed.trace');
    await withArm(
      async (arm) => {
        await until('some ticks are recorded', () => arm.segment.fields.traceSequence > 200);
        process.kill(arm.loopPid, 'SIGKILL');
        await arm.control.exited;
        const trace = Trace.open(path);
        expect(trace.length).toBeGreaterThan(200);
        // The kill may fall between publishing a tick and recording it.
        expect(trace.at(trace.length - 1, 'tick')).toBeGreaterThanOrEqual(arm.segment.fields.tick - 1);
        const ticks = trace.column('tick');
        expect(ticks.every((tick, row) => row === 0 || tick === ticks[row - 1]! + 1)).toBe(true);
      },
      ['--trace', path],
    );
    const report = myelin(['trace', path]);
    expect(await report.exited).toBe(0);
    expect(report.output()).toMatch(/ARX X5 on world:.*, 500 Hz/);
    expect(report.output()).toMatch(/Wake-up lateness +p50/);
    const csv = join(folder, 'killed.csv');
    expect(await myelin(['trace', path, '--last', '0.1', '--csv', csv]).exited).toBe(0);
    const lines = readFileSync(csv, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(51);
    expect(lines[0]).toMatch(/^timeNs,.*,missed$/);
  });

  it('names the motor that does not answer, and wakes no other for long', async () => {
    const name = uniqueName('control');
    await startWorld(name);
    const world = WorldClient.connect(name);
    world.fault({ kind: 'dead', motor: 5 });
    world.close();
    const control = myelin(['control', '--interface', `world:${name}`, '--segment', name]);
    expect(await control.exited).toBe(1);
    expect(control.output()).toMatch(/No answer from .*joint4/);
    expect(sharedMemoryWith(name).filter((file) => file === name)).toEqual([]);
  });

  it.each([
    [['--control-freq', '5000'], /control-freq is 5000, but must be a number from 100 to 1000 Hz/],
    [['--watchdog-timeout', 'off'], /watchdog-timeout is "off", but must be a number from 0.1 to 10 s/],
    [['--model', 'X6'], /model is "X6", but must be X5 or L5/],
    [['--no-such-option'], /unknown option/],
  ])('refuses %j with exit code 2', async (args, message) => {
    const control = myelin(['control', ...args]);
    expect(await control.exited).toBe(2);
    expect(control.output()).toMatch(message);
  });

  it('reads a configuration file, and names the key that is wrong', async () => {
    const file = join(folder, 'arm.yaml');
    writeFileSync(file, 'model: X5\ncontrol-frequency: 400\n');
    const wrong = myelin(['control', '--config', file]);
    expect(await wrong.exited).toBe(2);
    expect(wrong.output()).toMatch(
      /arm.yaml is not valid: there is no key "control-frequency"; .*control-freq/,
    );

    writeFileSync(file, 'model: X5\ncontrol-freq: 400\n');
    const name = uniqueName('control');
    await startWorld(name);
    const arm = await startControl(name, ['--config', file, '--command-timeout', '0.3']);
    expect(arm.control.output()).toMatch(/at 400 Hz/);
    expect(arm.control.output()).toMatch(/hold after 300 ms/);
    arm.segment.close();
  });

  it('says what to do when there is no world, no bus or no room', async () => {
    const name = uniqueName('control');
    const noWorld = myelin(['control', '--interface', `world:${name}`, '--segment', name]);
    expect(await noWorld.exited).toBe(1);
    expect(noWorld.output()).toContain(`There is no simulated world named "${name}"`);
    const noBus = myelin(['control', '--interface', 'can7', '--segment', name]);
    expect(await noBus.exited).toBe(1);
    expect(noBus.output()).toMatch(/can7 cannot be opened|hint/);
    await startWorld(name);
    const noTrace = myelin([
      'control',
      '--interface',
      `world:${name}`,
      '--trace',
      '/proc/no/trace',
      '--segment',
      name,
    ]);
    expect(await noTrace.exited).toBe(1);
    expect(noTrace.output()).toMatch(/\/proc\/no\/trace cannot be written/);
    expect(sharedMemoryWith(name).filter((file) => file === name)).toEqual([]);
  });

  it('starts nowhere without shared memory it can write to', async (context) => {
    const name = uniqueName('control');
    await startWorld(name);
    const inNamespace = (prepare: string) =>
      spawnSync(
        'unshare',
        [
          ...[
            '--mount',
            'sh',
            '-c',
            `${prepare} && exec "$0" "$@"`,
            process.execPath,
            distEntry('cli/main.js'),
          ],
          ...['control', '--interface', `world:${name}`, '--segment', name],
        ],
        { encoding: 'utf8', timeout: 20_000 },
      );
    const readOnly = inNamespace('mount -t tmpfs -o ro tmpfs /dev/shm && echo mounted');
    if (!readOnly.stdout?.includes('mounted')) {
      context.skip('this machine lets us make no mount namespace (needs root)');
    }
    expect(readOnly.status).toBe(1);
    expect(readOnly.stderr).toMatch(/EROFS[\s\S]*remount,rw/);
    const full = inNamespace('mount -t tmpfs -o size=64k tmpfs /dev/shm');
    expect(full.status).toBe(1);
    expect(full.stderr).toMatch(/Shared memory has no room/);
  });
});
