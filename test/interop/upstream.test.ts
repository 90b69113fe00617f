import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Observation } from '../../src/core/observation.ts';
import type { Policy } from '../../src/policies/policy.ts';
import { LeRobotPolicy } from '../../src/serving/lerobot/client.ts';
import { openOpenpiPolicy } from '../../src/serving/openpi/open-openpi-policy.ts';
import { openPi05Policy } from '../../src/serving/pi05/pi05-policy.ts';
import { noNatsServer, startNatsServer } from '../support/nats-server.ts';
import { myelin, type Started, start } from '../support/processes.ts';
import { openpiPython } from './python-peers.ts';
import { ROOT } from './venv.ts';

/** Fakes of other engines as processes, `myelin policy-server` in front of them, clients of every protocol. */

const python = openpiPython() ?? '';
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function engine(dialect: 'sglang' | 'vllm-omni'): Promise<{ port: string; run: Started }> {
  const run = start([python, join(ROOT, 'test/interop/python/openpi_server.py'), dialect]);
  return { port: (await run.says(/port \d+/)).split(' ')[1] as string, run };
}

/** Statistics that map [-10, 10] and [0, 4] to [-1, 1]. */
function normStats(): string {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-norm-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const stats = { mean: [0, 0], std: [1, 1], q01: [-10, 0], q99: [10, 4] };
  writeFileSync(
    join(folder, 'norm_stats.json'),
    JSON.stringify({ norm_stats: { state: stats, actions: stats } }),
  );
  return join(folder, 'norm_stats.json');
}

const portOf = async (server: Started, protocol: string): Promise<number> =>
  Number((await server.says(new RegExp(`${protocol} \\(\\w+\\) at 127\\.0\\.0\\.1:\\d+`))).split(':')[1]);

function seeing(cameras: readonly string[], state: readonly number[], timestep = 1): Observation {
  const [width, height] = [64, 48];
  const rgb = new Uint8Array(3 * width * height).fill(7);
  return {
    timestep,
    timestampNs: 1,
    state: Float64Array.from(state),
    velocity: new Float64Array(state.length),
    cameras: new Map(cameras.map((name) => [name, { name, width, height, rgb, capturedNs: 1, sequence: 1 }])),
    task: 'go',
  };
}

function closed<P extends Policy>(policy: P): P {
  closing.push(() => policy.close());
  return policy;
}

describe.skipIf(python === '')('other engines behind myelin policy-server', () => {
  it('SGLang: clients of every protocol are served, normalised and with their own camera names; one server may die', async () => {
    const engines = await Promise.all([engine('sglang'), engine('sglang')]);
    const names = ['front', 'left', 'right'];
    const slots = ['base_0_rgb', 'left_wrist_0_rgb', 'right_wrist_0_rgb'];
    const query = `norm=${normStats()}&actions=2&${slots.map((slot, i) => `camera=${slot}:${names[i]}`).join('&')}`;
    const server = myelin([
      ...['policy-server', '--port', '0', '--openpi-port', '0', '--pi05-port', '0'],
      ...engines.flatMap(({ port }) => ['--upstream', `ws://127.0.0.1:${port}/openpi/policy?${query}`]),
    ]);
    await server.says(/ready/);
    const lerobot = closed(
      new LeRobotPolicy({
        address: `127.0.0.1:${await portOf(server, 'LeRobot')}`,
        policyType: 'pi05',
        pretrainedNameOrPath: 'whatever-the-engine-has',
        actionsPerChunk: 10,
        stateNames: ['a', 'b'],
        cameras: names.map((name) => ({ name, width: 64, height: 48 })),
      }),
    );
    const openpi = closed(
      await openOpenpiPolicy({ url: `ws://127.0.0.1:${await portOf(server, 'openpi')}` }),
    );
    const pi05 = closed(await openPi05Policy({ url: `ws://127.0.0.1:${await portOf(server, 'pi0.5')}` }));
    expect([openpi, pi05].map(({ spec }) => spec.cameras.map(({ name }) => name))).toEqual([names, names]);
    let step = 0;
    const ask = async (policy: Policy) => {
      step += 1;
      const { actions, rows, dof } = await policy.infer(seeing(names, [5, 1], step));
      expect([rows, dof]).toEqual([10, 2]);
      // Through the normalisation and back; float32 in between.
      expect(actions[0]).toBeCloseTo(5, 4);
      expect(actions[1]).toBeCloseTo(1, 4);
    };
    for (const policy of [lerobot, openpi, pi05, lerobot, openpi, pi05]) await ask(policy);
    await expect(openpi.infer({ ...seeing(names, [5, 1]), task: 'fail' })).rejects.toThrow(
      'ValueError: engine failure',
    );
    await expect(openpi.infer(seeing(['front'], [5, 1]))).rejects.toMatchObject({
      code: 'OBSERVATION_MISMATCH',
    });
    engines[0]?.run.child.kill('SIGKILL');
    for (let i = 0; i < 10; i++) await ask([lerobot, openpi, pi05][i % 3] as Policy);
  });

  it('SGLang: does not start without knowing how to normalise', async () => {
    const { port } = await engine('sglang');
    const server = myelin(['policy-server', '--upstream', `ws://127.0.0.1:${port}/openpi/policy`]);
    expect(await server.exited).toBe(1);
    expect(server.output()).toContain('normalisation statistics');
  });

  it('vLLM-Omni: is served, forgets an episode, and is found again after it closed an idle connection', async () => {
    const { port } = await engine('vllm-omni');
    const upstream = `ws://127.0.0.1:${port}/v1/realtime/robot/openpi?camera=base_0_rgb:front`;
    const server = myelin(['policy-server', '--no-lerobot', '--openpi-port', '0', '--upstream', upstream]);
    await server.says(/ready/);
    const policy = closed(
      await openOpenpiPolicy({ url: `ws://127.0.0.1:${await portOf(server, 'openpi')}` }),
    );
    const view = seeing(['front'], [1, 2, 3, 4, 5, 6, 7]);
    expect([...(await policy.infer(view)).actions.subarray(0, 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 2]);
    policy.reset();
    expect((await policy.infer(view)).actions[0]).toBe(1001);
    await new Promise((done) => setTimeout(done, 2500));
    expect((await policy.infer(view)).actions[0]).toBe(1001);
  });

  it.skipIf(noNatsServer !== undefined)(
    'vLLM-Omni and SGLang: are members of a pool, each under its own name',
    async () => {
      const nats = await startNatsServer();
      const engines = await Promise.all([engine('vllm-omni'), engine('sglang')]);
      const upstreams = [
        `ws://127.0.0.1:${engines[0].port}/v1/realtime/robot/openpi`,
        `ws://127.0.0.1:${engines[1].port}/openpi/policy?norm=${normStats()}&actions=2`,
      ];
      const models = ['omni', 'sglang'];
      const workers = upstreams.map((upstream, i) =>
        myelin([
          ...['policy-server', '--no-lerobot', '--upstream', upstream],
          ...['--pool', nats.url, '--pool-model', models[i] as string],
        ]),
      );
      await Promise.all(workers.map((worker, i) => worker.says(new RegExp(`joined .* with ${models[i]}`))));
      const fronts = models.map((model) =>
        myelin([
          'policy-server',
          '--no-lerobot',
          '--front',
          '--pool',
          nats.url,
          '--pool-model',
          model,
          '--openpi-port',
          '0',
        ]),
      );
      const [omni, sglang] = await Promise.all(
        fronts.map(async (front) => {
          await front.says(/ready/);
          return closed(await openOpenpiPolicy({ url: `ws://127.0.0.1:${await portOf(front, 'openpi')}` }));
        }),
      );
      const cameras = ['base_0_rgb', 'left_wrist_0_rgb', 'right_wrist_0_rgb'];
      const chunk = await omni?.infer(seeing(cameras, [1, 2, 3, 4, 5, 6, 7]));
      expect([...(chunk?.actions.subarray(0, 8) ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 2]);
      expect((await sglang?.infer(seeing(cameras, [5, 1])))?.actions[0]).toBeCloseTo(5, 4);
    },
  );
});
