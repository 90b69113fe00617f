import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { Engine } from '../engine/engine.ts';
import { startAgain } from '../testing.ts';
import type { SubtaskRefresh } from './answers.ts';
import { Pi05Client } from './index.ts';
import { startPi05Server } from './pi05-server.ts';
import { closeAll, closing, raw, serve } from './testing.ts';

afterEach(closeAll);

const REAL_TIME = {
  mode: 'guided',
  trainedDelay: 2,
  executionHorizon: 12,
  schedule: 'exp',
  maxGuidance: 4,
} as const;
const PREVIOUS = {
  previous: Float64Array.of(1, 2, 3, 4),
  rows: 2,
  delaySteps: 1,
  schedule: 'ones',
  maxGuidance: 3,
  executionHorizon: 2,
  mode: 'guided',
} as const;

/** A server that knows the seed's messages and nothing else. */
async function stockServer() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((ready) => server.once('listening', ready));
  const heard: Buffer[] = [];
  server.on('connection', (socket) => {
    socket.send(
      JSON.stringify({
        server_type: 'AsyncPi05Inference',
        version: '1.0.0',
        capabilities: ['action_prediction'],
      }),
    );
    socket.on('message', (data: Buffer) => {
      heard.push(data);
      socket.send(
        JSON.stringify({
          ...{ status: 'success', actions: [[[1]]], subtask: null, subtask_tokens: null, state: null },
          ...{ timing: {}, server_timing: { total_ms: 1 }, subtask_refresh_enabled: false },
        }),
      );
    });
  });
  closing.push(() => {
    for (const socket of server.clients) socket.terminate();
    return new Promise((done) => server.close(done));
  });
  const { port } = server.address() as { port: number };
  return { url: `ws://127.0.0.1:${port}`, heard };
}

describe('the pi0.5 client', () => {
  const picture = { width: 8, height: 8, rgb: Uint8Array.from({ length: 192 }, (_, i) => (i * 5) % 251) };
  const ask = { images: { base_0_rgb: picture }, state: [1, 2], highLevelPrompt: 'tidy' };

  it.each(['nested', 'raw', 'jpeg', 'msgpack', 'msgpack-jpeg'] as const)(
    'sends pictures as %s',
    async (images) => {
      const { policy, client } = await serve();
      const result = await client({ images }).infer(ask);
      expect(result.actions).toEqual([
        [
          [1, 2],
          [2, 3],
          [3, 4],
        ],
      ]);
      expect(result.client_timing.total_ms).toBeGreaterThan(0);
      const seen = policy.seen[0]?.observation.cameras.get('base_0_rgb');
      expect([seen?.width, seen?.height]).toEqual([8, 8]);
      if (!images.includes('jpeg')) expect(seen?.rgb).toEqual(picture.rgb);
    },
  );

  it('asks in batches, where a failure is one result, and keeps statistics', async () => {
    const { client } = await serve();
    const made = client();
    const results = await made.inferBatch([ask, { ...ask, images: {} }, ask]);
    expect(results.map((result) => (result instanceof Error ? result.code : result.status))).toEqual([
      'success',
      'SERVER_REFUSED',
      'success',
    ]);
    expect(made.statistics).toMatchObject({ requests: 2, failures: 1, retries: 0 });
    expect(made.statistics.total.p50).toBeGreaterThanOrEqual(made.statistics.server.p50);
  });

  it('passes on everything a Myelin server heeds', async () => {
    const { policy, client, url } = await serve({ realTime: REAL_TIME });
    const made = client();
    await made.infer({
      ...ask,
      seed: 5,
      flowSteps: 3,
      timestep: 12,
      noise: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      realTimeChunk: PREVIOUS,
    });
    expect(made.metadata?.myelin?.real_time_chunking).toEqual(REAL_TIME);
    expect((await raw(url)).metadata).not.toHaveProperty('myelin');
    expect(policy.seen[0]?.observation.timestep).toBe(12);
    expect(policy.seen[0]?.options).toMatchObject({
      seed: 5,
      flowSteps: 3,
      noise: Float32Array.of(1, 2, 3, 4, 5, 6),
      realTimeChunk: PREVIOUS,
    });
  });

  it('sends a server that is not ours the same bytes with and without a chunk to continue', async () => {
    const { url, heard } = await stockServer();
    for (const more of [{}, { realTimeChunk: PREVIOUS }]) {
      const client = new Pi05Client({ url, images: 'nested' });
      closing.push(() => client.close());
      await client.infer({ ...ask, ...more });
    }
    expect(heard).toHaveLength(2);
    expect(heard[1]).toEqual(heard[0]);
    expect(heard[0]?.toString()).not.toContain('real_time');
  });

  it('listens to refreshes, and has them back by itself after the server was restarted', async () => {
    const { server, client, policy } = await serve({ subtasks: true });
    const made = client();
    const heard: SubtaskRefresh[] = [];
    made.listen((refresh) => heard.push(refresh));
    await made.infer({ ...ask, subtaskRefreshInterval: 0.05 });
    await expect.poll(() => heard.length).toBeGreaterThan(1);
    await made.updateObservation({ state: [8, 9] });
    await expect.poll(() => policy.subtasksSeen.at(-1)?.observation.state[0]).toBe(8);
    await server.close();
    const before = heard.length;
    const engine = new Engine({ policies: new Map([['echo', policy]]) });
    const again = await startAgain(() => startPi05Server(engine, { port: server.port }));
    closing.push(
      () => engine.close(),
      () => again.close(),
    );
    await expect.poll(() => heard.length, { timeout: 10_000 }).toBeGreaterThan(before + 1);
    expect(policy.subtasksSeen.at(-1)?.observation).toMatchObject({
      task: 'tidy',
      state: Float64Array.of(8, 9),
    });
    expect(made.statistics.reconnects).toBeGreaterThan(0);
  });

  it('hears of a refresh that failed, and does not take it for the answer it waits for', async () => {
    const { url, policy, engine } = await serve({ subtasks: true });
    const events: string[] = [];
    const made = new Pi05Client({ url, onEvent: (text) => events.push(text) });
    closing.push(() => made.close());
    let refreshes = 0;
    let fail: () => void = () => undefined;
    const failing = new Promise<void>((done) => {
      fail = done;
    });
    policy.generateSubtask = async () => {
      refreshes += 1;
      await failing;
      return { text: '\ufffd', tokens: [1] };
    };
    await made.infer({ ...ask, generateSubtask: false, subtaskRefreshInterval: 0.05 });
    await expect.poll(() => refreshes).toBe(1);
    const asked = made.infer({ ...ask, generateSubtask: false });
    await expect.poll(() => engine.stats().policies[0]?.waiting).toBe(1);
    fail();
    await expect.poll(() => events.join()).toContain('the subtask was not refreshed');
    expect((await asked).status).toBe('success');
  });

  it('sends a request again when the connection broke, and says when the server stays away', async () => {
    const { server, client, policy } = await serve();
    const made = client();
    await made.infer(ask);
    await server.close();
    const engine = new Engine({ policies: new Map([['echo', policy]]) });
    const again = await startAgain(() => startPi05Server(engine, { port: server.port }));
    closing.push(() => engine.close());
    expect((await made.infer(ask)).status).toBe('success');
    await again.close();
    await expect(made.infer(ask)).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  });

  it('gives up an answer that is overdue', async () => {
    const { policy, client } = await serve();
    let release = () => {};
    policy.gate = new Promise((done) => {
      release = done;
    });
    await expect(client({ timeoutMs: 50 }).infer(ask)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    release();
  });
});
