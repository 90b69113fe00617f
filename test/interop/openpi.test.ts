import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Observation } from '../../src/core/observation.ts';
import { Engine } from '../../src/serving/engine/engine.ts';
import { createNoopPolicy } from '../../src/serving/engine/noop-policy.ts';
import { readNormStats } from '../../src/serving/openpi/norm-stats.ts';
import { openOpenpiPolicy } from '../../src/serving/openpi/open-openpi-policy.ts';
import { startOpenpiServer } from '../../src/serving/openpi/openpi-server.ts';
import { EchoPolicy } from '../../src/serving/testing.ts';
import { start } from '../support/processes.ts';
import { openpiPython, openpiServerFile } from './python-peers.ts';
import { ROOT } from './venv.ts';

const python = openpiPython() ?? '';
const script = (name: string) => join(ROOT, 'test/interop/python', name);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(
  policy = new EchoPolicy({
    cameras: [
      { name: 'base_0_rgb' },
      { name: 'left_wrist_0_rgb' },
      { name: 'right_wrist_0_rgb', optional: true },
    ],
  }),
) {
  const engine = new Engine({ policies: new Map([['echo', policy]]) });
  const metadata = new Map([['reset_pose', [0, -1.5]]]);
  const server = await startOpenpiServer(engine, { port: 0, token: 'interop-key', metadata });
  closing.push(
    () => engine.close(),
    () => server.close(),
  );
  return server;
}

const observe = (cameras: readonly string[], state: readonly number[], task = 'go'): Observation => ({
  timestep: 1,
  timestampNs: 1,
  state: Float64Array.from(state),
  velocity: new Float64Array(state.length),
  cameras: new Map(
    cameras.map((name) => [
      name,
      {
        name,
        width: 640,
        height: 480,
        rgb: new Uint8Array(3 * 640 * 480).fill(7),
        capturedNs: 1,
        sequence: 1,
      },
    ]),
  ),
  task,
});

describe.skipIf(python === '')("openpi's own client with our server", () => {
  it('gets metadata, actions, chunks a row at a time, answers of its own, and errors it can show', async () => {
    const server = await serve();
    const run = start([python, script('openpi_session.py'), '127.0.0.1', String(server.port), 'interop-key']);
    expect(await run.exited, run.output()).toBe(0);
    const events = new Map(
      run
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { event: string } & Record<string, unknown>)
        .map((event) => [event.event, event]),
    );
    expect(events.get('metadata')?.metadata).toEqual({ reset_pose: [0, -1.5] });
    expect(events.get('libero')).toMatchObject({
      keys: ['actions', 'policy_timing', 'server_timing'],
      dtype: '<f8',
      shape: [3, 8],
      first: [1, 2, 3, 4, 5, 6, 7, 8],
    });
    expect(events.get('aloha')?.shape).toEqual([3, 14]);
    expect(events.get('droid')).toMatchObject({ first: [0, 1, 2, 3, 4, 5, 6, 0.5], prev_total_ms: true });
    expect(events.get('broker')?.rows).toEqual([0, 1, 20, 21]);
    expect(events.get('eight clients at once')?.mine).toEqual(
      Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((i) => [i, [0, 1, 2, 3, 4].map((n) => 100 * i + n)])),
    );
    expect(events.get('error')?.text).toMatch(/OBSERVATION_MISMATCH.*base_0_rgb.*imgae/);
    expect(events.get('error')?.text).not.toMatch(/Traceback|\.ts:/);
  });

  it('is refused without the key', async () => {
    const server = await serve();
    const run = start([python, script('openpi_session.py'), '127.0.0.1', String(server.port), '']);
    expect(await run.exited).not.toBe(0);
    expect(run.output()).toContain('401');
  });

  it('measures a network against the policy that does nothing', async () => {
    const engine = new Engine({ policies: new Map([['noop', createNoopPolicy()]]) });
    const server = await startOpenpiServer(engine, { port: 0, token: 'interop-key' });
    closing.push(
      () => engine.close(),
      () => server.close(),
    );
    const run = start([python, script('openpi_session.py'), '127.0.0.1', String(server.port), 'interop-key']);
    await run.says(/"event": "broker", "rows": \[0.0, 0.0, 20.0, 20.0\]/);
  });
});

describe.skipIf(python === '')('our client', () => {
  async function peer(dialect: string, source?: string): Promise<string> {
    const run = start([
      python,
      script('openpi_server.py'),
      dialect,
      ...(source === undefined ? [] : [source]),
    ]);
    return (await run.says(/port \d+/)).split(' ')[1] as string;
  }

  it("works with openpi's own server, and goes on after its errors", async () => {
    const port = await peer('openpi', await openpiServerFile());
    const policy = await openOpenpiPolicy({ url: `ws://127.0.0.1:${port}`, robot: 'libero' });
    closing.push(() => policy.close());
    const view = observe(['image', 'wrist_image'], [1, 2, 3, 4, 5, 6, 7, 8]);
    const chunk = await policy.infer(view);
    expect([chunk.rows, chunk.dof, ...chunk.actions.subarray(0, 8)]).toEqual([10, 7, 1, 2, 3, 4, 5, 6, 7, 2]);
    await expect(policy.infer({ ...view, task: 'fail' })).rejects.toThrow(/KeyError: 'observation\/state'/);
    expect((await policy.infer(view)).rows).toBe(10);
    await expect(policy.infer(observe(['imgae'], [1, 2, 3, 4, 5, 6, 7, 8]))).rejects.toMatchObject({
      code: 'OBSERVATION_MISMATCH',
    });
  });

  it('works with a server that speaks as SGLang: normalises both ways, and lets no camera be missing', async () => {
    const port = await peer('sglang');
    const folder = mkdtempSync(join(tmpdir(), 'myelin-norm-'));
    closing.push(async () => rmSync(folder, { recursive: true }));
    const file = join(folder, 'norm_stats.json');
    const stats = { mean: [0, 0], std: [1, 1], q01: [-10, 0], q99: [10, 4] };
    writeFileSync(file, JSON.stringify({ norm_stats: { state: stats, actions: stats } }));
    const url = `ws://127.0.0.1:${port}/openpi/policy`;
    const policy = await openOpenpiPolicy({ url, normStats: await readNormStats(file) });
    closing.push(() => policy.close());
    const cameras = ['base_0_rgb', 'left_wrist_0_rgb', 'right_wrist_0_rgb'];
    const chunk = await policy.infer(observe(cameras, [5, 1]), { seed: 1 });
    expect([chunk.rows, chunk.dof]).toEqual([10, 2]);
    // Through the normalisation and back; float32 in between.
    expect(chunk.actions[0]).toBeCloseTo(5, 4);
    expect(chunk.actions[1]).toBeCloseTo(1, 4);
    await expect(policy.infer(observe(['base_0_rgb'], [5, 1]))).rejects.toMatchObject({
      code: 'OBSERVATION_MISMATCH',
    });
    await expect(policy.infer(observe(cameras, [5, 1], 'fail'))).rejects.toThrow(
      'ValueError: engine failure',
    );
    expect((await policy.infer(observe(cameras, [5, 1]))).rows).toBe(10);
  });

  it('works with a server that speaks as vLLM-Omni, also after it closed an idle connection', async () => {
    const port = await peer('vllm-omni');
    const policy = await openOpenpiPolicy({ url: `ws://127.0.0.1:${port}/v1/realtime/robot/openpi` });
    closing.push(() => policy.close());
    const view = observe(['base_0_rgb'], [1, 2, 3, 4, 5, 6, 7]);
    expect([...(await policy.infer(view)).actions.subarray(0, 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 2]);
    await expect(policy.infer({ ...view, task: 'fail' })).rejects.toThrow('Internal inference error');
    policy.reset();
    expect((await policy.infer(view)).actions[0]).toBe(1001);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect((await policy.infer(view)).actions[0]).toBe(1001);
  });
});
