import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { CameraFrame, Observation } from '../../core/observation.ts';
import type { PolicySpec, RealTimeSupport } from '../../policies/policy.ts';
import { Engine } from '../engine/engine.ts';
import { observationOf } from '../engine/testing.ts';
import { EchoPolicy } from '../testing.ts';
import { openPi05Policy, type Pi05PolicyOptions } from './pi05-policy.ts';
import { startPi05Server } from './pi05-server.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(spec: Partial<PolicySpec> = {}, policy = new EchoPolicy(spec)) {
  const engine = new Engine({ policies: new Map([['echo', policy]]) });
  const server = await startPi05Server(engine, { port: 0, allowRandomImages: false });
  closing.push(
    () => engine.close(),
    () => server.close(),
  );
  return { policy, url: `ws://127.0.0.1:${server.port}` };
}

async function open(url: string, options: Partial<Pi05PolicyOptions> = {}) {
  const policy = await openPi05Policy({ url, retries: 0, ...options });
  closing.push(() => policy.close());
  return policy;
}

/** A server of plain messages, as the seed's: metadata without anything of ours, and the answer it is told. */
async function seedServer(actions: unknown, more: object = {}) {
  const heard: Record<string, unknown>[] = [];
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => {
    const metadata = {
      server_type: 'AsyncPi05Inference',
      version: '1.0.0',
      capabilities: ['subtask_generation', 'action_prediction'],
      supported_image_types: ['base_0_rgb'],
    };
    socket.send(JSON.stringify(metadata));
    socket.on('message', (data: Buffer) => {
      heard.push(JSON.parse(data.toString()) as Record<string, unknown>);
      const answer = {
        status: 'success',
        actions,
        subtask: 'take the cup',
        subtask_tokens: [1, 2],
        state: null,
        timing: { total_ms: 1, action_ms: 1, subtask_ms: 0 },
        server_timing: { total_ms: 2 },
        subtask_refresh_enabled: false,
        ...more,
      };
      socket.send(JSON.stringify(answer));
    });
  });
  await new Promise((done) => server.once('listening', done));
  closing.push(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return { heard, url: `ws://127.0.0.1:${(server.address() as { port: number }).port}` };
}

const frame = (name: string, width = 4, height = 2): [string, CameraFrame] => [
  name,
  { name, width, height, rgb: new Uint8Array(3 * width * height).fill(9), capturedNs: 1, sequence: 1 },
];
const seeing = (timestep: number, ...frames: [string, CameraFrame][]): Observation => ({
  ...observationOf(timestep, [1, 2]),
  cameras: new Map(frames),
  task: 'tidy',
});

describe('a policy on a pi0.5 server', () => {
  it('is what the server says of it, and answers like a policy at hand', async () => {
    const cameras = [
      { name: 'base_0_rgb', width: 4, height: 2 },
      { name: 'wrist', optional: true },
    ];
    const realTime: RealTimeSupport = {
      mode: 'guided',
      trainedDelay: 0,
      executionHorizon: 8,
      schedule: 'linear',
      maxGuidance: 10,
    };
    const { policy: served, url } = await serve({ cameras, subtasks: true, realTime });
    const policy = await open(url);
    expect(policy.spec).toMatchObject({
      cameras,
      chunkRows: 3,
      actionSteps: 2,
      stepPeriodS: 0.05,
      subtasks: true,
      realTime,
      actionNames: ['action_0', 'action_1'],
    });
    const noise = Float32Array.of(1, 2, 3, 4, 5, 6);
    const realTimeChunk = {
      previous: Float64Array.of(1, 2),
      rows: 1,
      delaySteps: 0,
      mode: 'guided',
    } as const;
    const chunk = await policy.infer(seeing(7, frame('base_0_rgb'), frame('wrist', 8, 8)), {
      seed: 3,
      flowSteps: 2,
      noise,
      realTimeChunk,
      subtask: { text: 'grasp' },
    });
    expect(chunk).toMatchObject({ rows: 3, dof: 2, timestep: 7, stepPeriodS: 0.05 });
    expect([...chunk.actions]).toEqual([1, 2, 2, 3, 3, 4]);
    const { observation, options } = served.seen[0] ?? {};
    expect(observation).toMatchObject({ timestep: 7, task: 'tidy', state: Float64Array.of(1, 2) });
    // The size the server asks for, and pi0.5's own square where it asks for none.
    expect([...(observation?.cameras.values() ?? [])].map(({ width, height }) => [width, height])).toEqual([
      [4, 2],
      [224, 224],
    ]);
    expect(options).toMatchObject({
      seed: 3,
      flowSteps: 2,
      noise,
      realTimeChunk,
      subtask: { text: 'grasp' },
    });
    expect(served.subtasksSeen).toHaveLength(0);
  });

  it('writes subtasks when asked, and forgets the episode when told', async () => {
    const { policy: served, url } = await serve({ subtasks: true });
    const policy = await open(url);
    const asked = { maxDecodingSteps: 9, temperature: 0.5, seed: 4 };
    expect(await policy.generateSubtask?.(seeing(1, frame('base_0_rgb')), asked)).toEqual({
      text: 'step 1 of tidy',
      tokens: [7, 8, 1],
    });
    expect(served.subtasksSeen[0]?.options).toMatchObject(asked);
    expect(served.seen).toHaveLength(0);
    policy.reset();
    await policy.infer(seeing(2, frame('base_0_rgb')));
    expect(served.resets).toBe(1);
  });

  it("works with the seed's own server, which says little, once it is told the rest", async () => {
    const { heard, url } = await seedServer([
      [
        [1, 2, 0, 0],
        [3, 4, 0, 0],
      ],
    ]);
    await expect(open(url)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const policy = await open(url, { chunkRows: 2, actionLength: 2 });
    const chunk = await policy.infer(seeing(1, frame('base_0_rgb')));
    expect([chunk.rows, chunk.dof, ...chunk.actions]).toEqual([2, 2, 1, 2, 3, 4]);
    expect(heard[0]).toMatchObject({ high_level_prompt: 'tidy', generate_subtask: false, state: [1, 2] });
    const images = (heard[0]?.images ?? {}) as Record<string, unknown[][]>;
    expect(images.base_0_rgb?.[0]).toHaveLength(224);
  });

  it.each([
    ['none', null, {}, /no actions/],
    ['rows of different lengths', [[[1, 2], [3]]], {}, /rows of 2 actions/],
    ['too few numbers a row', [[[1], [3]]], {}, /rows of 2 actions/],
    ['no rows', [[]], {}, /rows of 2 actions/],
    ['some made of random pictures', [[[1, 2]]], { random_images: ['base_0_rgb'] }, /made-up.*base_0_rgb/],
  ])('refuses actions when there are %s', async (_, actions, more, message) => {
    const { url } = await seedServer(actions, more);
    const policy = await open(url, { chunkRows: 2, actionLength: 2 });
    const answer = policy.infer(seeing(1, frame('base_0_rgb')));
    await expect(answer).rejects.toMatchObject({ code: 'POLICY_OUTPUT_INVALID' });
    await expect(answer).rejects.toThrow(message);
  });

  it('says which camera is missing before anything is sent', async () => {
    const { policy: served, url } = await serve({ cameras: [{ name: 'base_0_rgb' }] });
    const policy = await open(url);
    await expect(policy.infer(seeing(1, frame('front')))).rejects.toMatchObject({
      code: 'OBSERVATION_MISMATCH',
      message: expect.stringContaining('base_0_rgb'),
    });
    expect(served.seen).toHaveLength(0);
  });

  it('leaves the caller free when it gives up', async () => {
    const { policy: served, url } = await serve();
    const policy = await open(url);
    let release = () => {};
    served.gate = new Promise((done) => {
      release = done;
    });
    const abort = new AbortController();
    const given = policy.infer(seeing(1, frame('base_0_rgb')), { signal: abort.signal });
    await expect.poll(() => served.seen.length).toBe(1);
    abort.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    release();
  });
});
