import { afterEach, describe, expect, it } from 'vitest';
import type { Observation } from '../core/observation.ts';
import type { Policy } from '../policies/policy.ts';
import { Engine } from './engine/engine.ts';
import { observationOf } from './engine/testing.ts';
import { LeRobotPolicy } from './lerobot/client.ts';
import { startLeRobotServer } from './lerobot/server.ts';
import { PlainClient } from './lerobot/testing.ts';
import { openOpenpiPolicy } from './openpi/open-openpi-policy.ts';
import { startOpenpiServer } from './openpi/openpi-server.ts';
import { openPi05Policy } from './pi05/pi05-policy.ts';
import { startPi05Server } from './pi05/pi05-server.ts';
import { EchoPolicy } from './testing.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const CAMERAS = [{ name: 'base_0_rgb' }];
const at = (timestep: number): Observation => ({
  ...observationOf(timestep, [timestep, 0]),
  cameras: new Map([
    [
      'base_0_rgb',
      { name: 'base_0_rgb', width: 2, height: 1, rgb: new Uint8Array(6), capturedNs: 1, sequence: 1 },
    ],
  ]),
});

type Started = { readonly port: number; close(): Promise<void> };
const PROTOCOLS: readonly {
  readonly name: string;
  readonly start: (engine: Engine) => Promise<Started>;
  readonly open: (port: number) => Promise<Policy>;
}[] = [
  {
    name: 'LeRobot',
    start: (engine) => startLeRobotServer(engine, { port: 0 }),
    open: async (port) => {
      const policy = new LeRobotPolicy({
        address: `127.0.0.1:${port}`,
        policyType: 'diffusion',
        pretrainedNameOrPath: 'echo',
        actionsPerChunk: 3,
        stateNames: ['a', 'b'],
        cameras: [{ name: 'base_0_rgb', width: 2, height: 1 }],
        heartbeatMs: 0,
      });
      await policy.connect();
      return policy;
    },
  },
  {
    name: 'openpi',
    start: (engine) => startOpenpiServer(engine, { port: 0 }),
    open: (port) => openOpenpiPolicy({ url: `ws://127.0.0.1:${port}` }),
  },
  {
    name: 'pi0.5',
    start: (engine) => startPi05Server(engine, { port: 0 }),
    open: (port) => openPi05Policy({ url: `ws://127.0.0.1:${port}` }),
  },
];

describe.each(PROTOCOLS)('a policy that looks back behind $name', ({ start, open }) => {
  async function serve(looksBack: boolean) {
    const served = new EchoPolicy({ cameras: CAMERAS }, { looksBack });
    const engine = new Engine({ policies: new Map([['echo', served]]) });
    const server = await start(engine);
    const policy = await open(server.port);
    closing.push(
      () => engine.close(),
      () => server.close(),
      () => policy.close(),
    );
    return { served, policy };
  }

  it('is shown the steps that no action was asked for', async () => {
    const { served, policy } = await serve(true);
    await policy.infer(at(1));
    const shown = () => served.timesteps.filter((step) => step % 2 === 0).length;
    // What is shown is not answered: an inference that follows carries it along once it has arrived.
    for (let step = 2; shown() < 3 && step < 1000; step += 2) {
      policy.observe?.(at(step));
      await new Promise((done) => setTimeout(done, 10));
      await policy.infer(at(step + 1));
    }
    expect(shown()).toBe(3);
    expect(served.timesteps).toEqual([...served.timesteps].sort((a, b) => a - b));
    expect(served.seen.every(({ observation }) => observation.timestep % 2 === 1)).toBe(true);
  });

  it('is told from one that does not, which is shown nothing', async () => {
    const { served, policy } = await serve(false);
    expect(policy.observe).toBeUndefined();
    await policy.infer(at(1));
    expect(served.timesteps).toEqual([1]);
  });
});

describe('a policy that looks back, for a stock LeRobot client', () => {
  it('is shown the observations that were too like the last one to be answered', async () => {
    // A chunk that lasts: until half of it is over, a robot that stands still gets no other.
    const served = new EchoPolicy({ chunkRows: 3000 }, { looksBack: true });
    const engine = new Engine({ policies: new Map([['echo', served]]) });
    const server = await startLeRobotServer(engine, { port: 0, observationTimeoutS: 0.05 });
    const client = new PlainClient(server.port);
    closing.push(
      () => engine.close(),
      () => server.close(),
      () => client.connection.close(),
    );
    const names = ['j0.pos', 'j1.pos'];
    const features = new Map([['observation.state', { dtype: 'float32', shape: [2], names }]]);
    await client.instruct({ pretrainedNameOrPath: 'echo', features, actionsPerChunk: 3000 });
    await client.send(1, [1, 1], { mustGo: true });
    expect((await client.actions())?.rows[0]?.timestep).toBe(1);
    for (const step of [2, 3]) await client.send(step, [1, 1]);
    expect(await client.actions()).toBeUndefined();
    await client.send(4, [1, 1], { mustGo: true });
    expect((await client.actions())?.rows[0]?.timestep).toBe(4);
    expect(served.timesteps).toEqual([1, 2, 3, 4]);
  });
});
