import { afterEach, describe, expect, it } from 'vitest';
import { LockstepBus } from './lockstep-bus.ts';
import { downwards, TestHost } from './testing.ts';
import { World, type WorldOptions } from './world.ts';

const worlds: World[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.close();
});

async function make(options: WorldOptions = {}) {
  const world = await World.create(options);
  worlds.push(world);
  const bus = new LockstepBus(world);
  return { world, bus, host: new TestHost(world, bus) };
}

const objectOf = (world: World, name: string) =>
  world.state().objects.find((object) => object.name === name)!;
const tipOf = (world: World) => [...world.physics.tipPosition(new Float64Array(3))];

describe('the world in lock-step', () => {
  it('does the same thing every time', async () => {
    const run = async () => {
      const { world, host } = await make({ seed: 5 });
      world.fault({ kind: 'lost', probability: 0.05 });
      host.enable();
      host.moveTo(downwards(0.3, 0, 0.1), 0.05, 0.4);
      return { qpos: [...world.physics.qpos], state: world.state() };
    };
    expect(await run()).toEqual(await run());
  });

  it('keeps the arm parked until a motor is told to push', async () => {
    const { world, host } = await make();
    const start = tipOf(world);
    host.enable();
    for (let i = 0; i < 7; i += 1) host.command(i, 0, 0, 1);
    world.step(0.3);
    expect(world.state().parked).toBe(true);
    for (const [axis, value] of tipOf(world).entries())
      expect(Math.abs(value - start[axis]!)).toBeLessThan(0.002);
    host.command(0, 0, 10, 1);
    world.step(0.3);
    expect(world.state().parked).toBe(false);
    expect(tipOf(world)[2]!).toBeLessThan(start[2]! - 0.02);
  });

  it('moves the arm where its motors are told', async () => {
    const { world, host } = await make();
    host.enable();
    host.moveTo([0.4, 1.2, 0.9, -0.5, 0.3, -0.2], 0.06, 1.2);
    host.moveTo([0.4, 1.2, 0.9, -0.5, 0.3, -0.2], 0.06, 0.3);
    const { motors } = world.state();
    for (const [i, angle] of [0.4, 1.2, 0.9, -0.5, 0.3, -0.2].entries())
      expect(Math.abs(motors[i]!.positionRad - angle)).toBeLessThan(0.03);
    expect(motors[6]!.positionRad * (0.088 / 5.03)).toBeCloseTo(0.06, 2);
  });

  it.each([3, 4])('lets a cube be gripped, carried and laid into its bin (scene %i)', async (seed) => {
    const { world, host } = await make({ seed });
    host.enable();
    const { positionM, quaternion } = objectOf(world, 'green_cube');
    const [x, y] = positionM;
    const yaw = 2 * Math.atan2(quaternion[3]!, quaternion[0]!);
    host.moveTo(downwards(x, y, 0.1, yaw), 0.08, 1.2);
    host.moveTo(downwards(x, y, 0.025, yaw), 0.08, 0.8);
    host.moveTo(downwards(x, y, 0.025, yaw), 0, 0.5);
    host.moveTo(downwards(x, y, 0.12, yaw), 0, 0.8);
    expect(objectOf(world, 'green_cube').positionM[2]).toBeGreaterThan(0.09);
    host.moveTo(downwards(0.155, 0.25, 0.12), 0, 1.2);
    host.moveTo(downwards(0.155, 0.25, 0.07), 0, 0.6);
    host.moveTo(downwards(0.155, 0.25, 0.07), 0.08, 0.4);
    host.moveTo(downwards(0.155, 0.25, 0.12), 0.08, 0.6);
    expect(objectOf(world, 'green_cube').sorted).toBe(true);
    expect(world.sorted).toBe(1);
  });

  it('lets the arm sink gently when its host falls silent', async () => {
    const { world, host } = await make({ timeoutMs: 100 });
    host.enable();
    host.moveTo(
      downwards(0.3, 0, 0.25).map((q, i) => (i === 3 ? q + 0.3 : q)),
      0.02,
      1,
    );
    world.step(0.09);
    expect(world.state().motors.map(({ status }) => status)).toContain('enabled');
    world.step(0.03);
    const { motors } = world.state();
    expect(motors[0]!.status).toBe('communication lost');
    expect(motors[3]!.status).toBe('communication lost');
    let fastest = 0;
    for (let i = 0; i < 1000; i += 1) {
      world.step(0.001);
      for (const motor of world.motors.slice(0, 6)) fastest = Math.max(fastest, Math.abs(motor.velocityRadS));
    }
    expect(fastest).toBeGreaterThan(0.05);
    expect(fastest).toBeLessThan(5);
  });

  it('goes on in steps of its own when told to advance only so far', async () => {
    const { world } = await make();
    expect(world.advance(10.4e6, 4)).toBe(4);
    expect(world.nowNs).toBe(4e6);
    expect(world.advance(10.4e6)).toBe(6);
    expect(world.nowNs).toBe(10.4e6);
    expect(world.simulatedS).toBeCloseTo(0.01, 9);
  });
});

describe('what a test can do to the world', () => {
  it('lays the cubes out anew without moving the arm', async () => {
    const { world, host } = await make({ seed: 1 });
    const before = objectOf(world, 'red_cube').positionM;
    host.enable();
    host.moveTo([0.5, 0.5, 0.5, 0, 0, 0], 0.02, 0.5);
    const tip = tipOf(world);
    world.reset(2);
    expect(objectOf(world, 'red_cube').positionM).not.toEqual(before);
    for (const [axis, value] of tipOf(world).entries()) expect(value).toBeCloseTo(tip[axis]!, 4);
    world.reset(1, true);
    expect(objectOf(world, 'red_cube').positionM).toEqual(before);
    expect(tipOf(world)[0]).toBeCloseTo(0.2402, 4);
    expect(world.state()).toMatchObject({ parked: true, resets: 2, seed: 1 });
  });

  it('pushes a cube that has come to rest', async () => {
    const { world } = await make();
    world.step(0.5);
    const [x0] = objectOf(world, 'red_cube').positionM;
    world.push('red_cube', [1, 0, 0], 100);
    world.step(0.5);
    const [x1] = objectOf(world, 'red_cube').positionM;
    expect(x1 - x0).toBeGreaterThan(0.01);
    world.step(0.5);
    expect(objectOf(world, 'red_cube').positionM[0]).toBeCloseTo(x1, 3);
  });

  it('drops a cube that has come to rest from somewhere else', async () => {
    const { world } = await make();
    world.step(0.5);
    world.place('blue_cube', [0.02, 0.25, 0.15], [0.9, 0, 0, 0.1]);
    expect(world.sorted).toBe(0);
    world.step(0.6);
    expect(objectOf(world, 'blue_cube').positionM[2]).toBeLessThan(0.05);
    expect(world.sorted).toBe(1);
  });

  it('takes a motor off the bus and puts it back', async () => {
    const { world, bus, host } = await make();
    host.enable();
    const frame = { id: 0, length: 0, data: new Uint8Array(8) };
    const answers = () => {
      while (bus.receive(frame));
      host.command(3, 0, 0, 1);
      world.step(0.002);
      return bus.receive(frame);
    };
    expect(answers()).toBe(true);
    world.fault({ kind: 'dead', motor: 5 });
    expect(answers()).toBe(false);
    expect(world.motor(5).status).toBe('dead');
    world.fault({ kind: 'alive', motor: 5 });
    expect(answers()).toBe(true);
  });

  it('overheats a motor, which then protects itself', async () => {
    const { world, host } = await make();
    host.enable();
    world.fault({ kind: 'overTemperature', motor: 6 });
    world.step(0.01);
    expect(world.motor(6).status).toBe('winding over temperature');
    expect(world.motor(7).status).toBe('enabled');
  });

  it('takes the bus off, as its users can see', async () => {
    const { world, bus, host } = await make();
    const frame = { id: 0, length: 0, data: new Uint8Array(8) };
    world.fault({ kind: 'busOff', durationMs: 5 });
    host.command(0, 0, 0, 1);
    world.step(0.004);
    expect(bus.receive(frame)).toBe(false);
    expect(bus.stats).toMatchObject({ busOff: true, errors: 1 });
    world.step(0.002);
    expect(bus.receive(frame)).toBe(false);
    expect(bus.stats).toMatchObject({ busOff: false, errors: 2 });
  });

  it('refuses what does not exist, with the names that do', async () => {
    const { world } = await make();
    expect(() => world.push('ghost', [1, 0, 0], 1)).toThrow(/body of the scene/);
    expect(() => world.place('table', [0, 0, 0])).toThrow(/red_cube, green_cube, blue_cube/);
    expect(() => world.fault({ kind: 'dead', motor: 3 })).toThrow(/1, 2, 4, 5, 6, 7, 8/);
  });
});

describe('the L5', () => {
  it('is the other arm: Damiao motors throughout', async () => {
    const { world, host } = await make({ arm: 'L5' });
    expect(world.state().motors.map(({ model }) => model)).toEqual([
      ...['DM_J4340', 'DM_J4340', 'DM_J4340'],
      ...['DM_J4310', 'DM_J4310', 'DM_J4310', 'DM_J4310'],
    ]);
    host.enable();
    host.moveTo([0.2, 0.8, 0.6, -0.3, 0, 0], 0.05, 1);
    expect(world.motors[1]!.positionRad()).toBeCloseTo(0.8, 1);
  });
});
