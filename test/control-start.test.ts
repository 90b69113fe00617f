import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Trace } from '../src/control/trace-reader.ts';
import { distEntry } from '../src/platform/entry.ts';
import { isAlive } from '../src/platform/process.ts';
import { WorldClient } from '../src/world/world-client.ts';
import { startControl, startWorld, withArm } from './support/controlled-arm.ts';
import { myelin, sharedMemoryWith, uniqueName, until } from './support/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-control-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the start of a control process', () => {
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
