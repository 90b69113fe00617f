import { afterEach, describe, expect, it } from 'vitest';
import { BAD, CALM, NetworkedArm, type Protocol } from '../support/networked-arm.ts';

/**
 * An arm whose policy is far away: its camera, its network and its server fail. Each time the arm holds, the log says
 * why, work goes on by itself, and no limit is broken.
 */

let rig: NetworkedArm | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

const waving = async (protocol: Protocol): Promise<NetworkedArm> => {
  rig = await NetworkedArm.start(protocol);
  return rig;
};

const safe = (of: NetworkedArm): void => {
  const { faults, ticks } = of.motion();
  expect(faults).toEqual([]);
  expect(ticks).toBeGreaterThan(500);
};

/** How often the log says so. */
const told = (of: NetworkedArm, pattern: RegExp): number =>
  [...of.client.output().matchAll(new RegExp(pattern, 'g'))].length;

describe.each<[string, Protocol]>([
  ["LeRobot's gRPC", 'lerobot'],
  ["openpi's WebSocket", 'openpi'],
])('an arm over %s', (_, protocol) => {
  it('holds while its camera hangs, is unplugged or is gone, and goes on when it is back', {
    timeout: 180_000,
  }, async () => {
    const of = await waving(protocol);

    of.camera.child.kill('SIGSTOP');
    await of.client.says(/waiting for camera external: its newest frame is \d+ ms old/);
    await of.holds();
    of.camera.child.kill('SIGCONT');
    await of.works();

    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const before = told(of, /waiting for camera external/);
      of.camera.child.kill(signal);
      await of.camera.exited;
      await of.holds();
      expect(told(of, /waiting for camera external/)).toBeGreaterThan(before);
      of.film();
      await of.works();
    }
    expect(told(of, /out of actions: the arm holds/)).toBeGreaterThanOrEqual(3);
    safe(of);
  });

  it('holds while its server is dead, and goes on with the one that was started in its place', {
    timeout: 180_000,
  }, async () => {
    const of = await waving(protocol);
    await of.server.kill();
    await of.client.says(/the policy failed: .*cannot be reached/);
    await of.holds();
    await of.client.says(/out of actions: the arm holds/);
    await of.server.start();
    await of.works();
    expect(of.client.child.exitCode).toBeNull();
    safe(of);
  });

  it('works through 80 ms +- 20 ms with 2 % loss, and through connections that are reset', {
    timeout: 180_000,
  }, async () => {
    const of = await waving(protocol);
    of.network.weather = BAD;
    await of.works(10);
    for (let i = 0; i < 3; i++) {
      const before = of.network.connections;
      of.network.reset();
      await of.works(3);
      expect(of.network.connections).toBeGreaterThan(before);
    }
    // A way that is worse than any chunk is long: the arm holds, and goes on when it is better.
    of.network.weather = { ...BAD, delayMs: 6000 };
    await of.holds();
    of.network.weather = CALM;
    of.network.reset();
    await of.works();
    safe(of);
  });
});
