import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { CanBus } from '../src/buses/can.ts';
import { createCanFrame } from '../src/buses/can.ts';
import { openCanBus } from '../src/buses/open-bus.ts';
import { distEntry } from '../src/platform/entry.ts';
import { isAlive } from '../src/platform/process.ts';
import { CameraReader } from '../src/segment/camera-ring.ts';
import { WorldSegment } from '../src/segment/world-segment.ts';
import { runWorldCameras } from '../src/world/camera-process.ts';
import { WorldClient } from '../src/world/world-client.ts';
import { worldPaths } from '../src/world/world-paths.ts';

/** A world as a process of its own, spoken to over its sockets. */

const children = new Set<ChildProcess>();
let names = 0;
afterEach(async () => {
  // Politely, so that worlds take their sockets and segments with them.
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  children.clear();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 20_000) throw new Error(`never: ${what}`);
    await pause(10);
  }
}

async function startWorld(
  ...options: string[]
): Promise<{ name: string; child: ChildProcess; gone: Promise<number | null> }> {
  const name = `test-${process.pid}-${names++}`;
  return { name, ...(await startNamed(name, ...options)) };
}

async function startNamed(
  name: string,
  ...options: string[]
): Promise<{ child: ChildProcess; gone: Promise<number | null> }> {
  const child = spawn(process.execPath, [distEntry('world/world-process.js'), '--name', name, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const gone = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the world ended with ${code}`)));
  });
  return { child, gone };
}

const ENABLE = Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 0xfc);

/** Sends until something comes back on id 0 from motor 5. */
async function answered(bus: CanBus): Promise<boolean> {
  const frame = createCanFrame();
  for (let attempt = 0; attempt < 200; attempt += 1) {
    bus.send(5, ENABLE, 8);
    await pause(5);
    while (bus.receive(frame)) if (frame.id === 0 && (frame.data[0]! & 15) === 5) return true;
  }
  return false;
}

describe('the world process', () => {
  it('answers CAN frames, shows hosts each other, and outlives a host that is killed', async () => {
    const { name } = await startWorld('--seed', '4');
    const bus = openCanBus(`world:${name}`);
    expect(await answered(bus)).toBe(true);

    const other = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { openCanBus } = await import(${JSON.stringify(distEntry('buses/open-bus.js'))});
         const bus = openCanBus('world:${name}');
         setInterval(() => bus.send(0x155, new Uint8Array(8), 8), 2);`,
      ],
      { stdio: 'inherit' },
    );
    children.add(other);
    const frame = createCanFrame();
    let heard = 0;
    await until('the other host is heard', () => {
      while (bus.receive(frame)) if (frame.id === 0x155) heard += 1;
      return heard > 3;
    });
    const client = WorldClient.connect(name);
    expect(client.state().bus.hosts).toBe(2);
    other.kill('SIGKILL');
    await until('the killed host is forgotten', () => client.state().bus.hosts === 1);
    expect(await answered(bus)).toBe(true);
    client.close();
    bus.close();
  });

  it('publishes the scene and does what the control socket asks', async () => {
    const { name } = await startWorld('--seed', '4');
    const client = WorldClient.connect(name);
    const segment = WorldSegment.open(name);
    const placed = () => segment.readObjects().get('red_cube')!;
    expect(segment.fields.seed).toBe(4);
    const [x, y, z] = client.state().objects[0]!.positionM;
    expect(placed()[0]).toBeCloseTo(x, 4);
    expect(placed()[1]).toBeCloseTo(y, 4);
    expect(placed()[2]).toBeCloseTo(z, 2);

    expect(client.reset(9).seed).toBe(9);
    await until('the new scene is published', () => segment.fields.seed === 9);
    client.place('red_cube', [0.29, 0.25, 0.1]);
    await until('the cube lies in its bin', () => segment.fields.sorted === 1);
    expect(client.fault({ kind: 'dead', motor: 5 }).motors.find(({ canId }) => canId === 5)?.status).toBe(
      'dead',
    );
    expect(() => client.fault({ kind: 'dead', motor: 3 })).toThrow(/refused/);
    expect(() => client.perturb('ghost', [1, 0, 0], 10)).toThrow(/ghost/);
    expect(client.perturb('red_cube', [0, 0, 1], 10).sorted).toBe(1);
    segment.close();
    client.close();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('leaves nothing behind after %s', async (signal) => {
    const { name, child, gone } = await startWorld();
    const bus = openCanBus(`world:${name}`);
    expect(await answered(bus)).toBe(true);
    child.kill(signal);
    expect(await gone).toBe(0);
    for (const path of Object.values(worldPaths(name))) expect(existsSync(path)).toBe(false);
    expect(existsSync(`/dev/shm/myelin_world_${name}`)).toBe(false);
    expect(() => WorldClient.connect(name)).toThrow(/no simulated world/);
    bus.close();
  });

  it('takes the place of one that was killed, but not of one that lives', async () => {
    const { name, child, gone } = await startWorld();
    child.kill('SIGKILL');
    await gone;
    const second = spawn(process.execPath, [distEntry('world/world-process.js'), '--name', name], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(second);
    await new Promise((resolve) => second.stdout.once('data', resolve));
    const third = spawn(process.execPath, [distEntry('world/world-process.js'), '--name', name], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(third);
    let complaint = '';
    third.stderr.on('data', (text) => {
      complaint += text;
    });
    expect(await new Promise((resolve) => third.once('close', resolve))).toBe(1);
    expect(complaint).toContain('listens at');
    const client = WorldClient.connect(name);
    expect(client.state().arm).toBe('X5');
    client.close();
    second.kill('SIGTERM');
    await new Promise((resolve) => second.once('exit', resolve));
    expect(existsSync(`/dev/shm/myelin_world_${name}`)).toBe(false);
  });

  it('ends with its parent when asked to', async () => {
    const name = `test-${process.pid}-${names++}`;
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `const { spawn } = require('node:child_process');
         const child = spawn(process.execPath, [${JSON.stringify(distEntry('world/world-process.js'))}, '--name', '${name}', '--parent-pid', String(process.pid)], { stdio: ['ignore', 'pipe', 'inherit'] });
         child.stdout.once('data', () => console.log(child.pid));
         setInterval(() => undefined, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.add(parent);
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until('the world has ended', () => !isAlive(pid));
    expect(existsSync(worldPaths(name).can)).toBe(false);
  });
});

describe('a supervised process', () => {
  it('ends by itself when its supervisor is gone before it has begun', async () => {
    const name = `test-${process.pid}-${names++}`;
    const args = JSON.stringify([distEntry('cli/main.js'), 'world', '--name', name]);
    const supervisor = `
      const options = { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] };
      const child = require('node:child_process').spawn(process.execPath, ${args}, options);
      require('node:fs').writeSync(1, String(child.pid));
      process.kill(process.pid, 'SIGKILL');`;
    const { stdout } = spawnSync(process.execPath, ['-e', supervisor], { encoding: 'utf8' });
    const pid = Number(stdout);
    expect(pid).toBeGreaterThan(1);
    await until('the world is gone', () => !isAlive(pid));
  });
});

describe('the cameras of a world process', () => {
  it('fill their rings, follow the world, and wait for one that is started again', async () => {
    const first = await startWorld('--seed', '4');
    const end = new AbortController();
    const ring = `${first.name}-eye`;
    const events: string[] = [];
    const filming = runWorldCameras({
      world: first.name,
      cameras: [{ camera: 'external', ring }],
      width: 80,
      height: 60,
      signal: end.signal,
      onEvent: (text) => events.push(text),
    });
    const reader = CameraReader.open(ring);
    await until('a first picture', () => reader.sequence > 2);
    const before = reader.read()!;
    expect([before.width, before.height]).toEqual([80, 60]);
    const client = WorldClient.connect(first.name);
    client.place('red_cube', [9, 9, 0.02]);
    client.close();
    await until('the picture changes', () => Buffer.compare(reader.read()!.rgb, before.rgb) !== 0);
    first.child.kill('SIGTERM');
    await first.gone;
    expect(events[0]).toContain(`external of the world "${first.name}", 80x60`);
    await until('it is told', () => events.some((text) => text.includes('waiting for the world')));
    const last = reader.sequence;
    await startNamed(first.name);
    await until('pictures of the new world', () => reader.sequence > last + 2);
    end.abort();
    await filming;
    reader.close();
    expect(existsSync(`/dev/shm/myelin_cam_${ring}`)).toBe(false);
  });
});
