import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Observation } from '../../core/observation.ts';
import type { InferOptions, PolicySpec } from '../../policies/policy.ts';
import { Engine } from '../engine/engine.ts';
import { EchoPolicy, startAgain } from '../testing.ts';
import { readMessage } from './msgpack-reader.ts';
import { writeMessage } from './msgpack-writer.ts';
import { float64Array, NdArray, toNumbers } from './ndarray.ts';
import { readNormStats } from './norm-stats.ts';
import { openOpenpiPolicy } from './open-openpi-policy.ts';
import type { OpenpiPolicy, OpenpiPolicyOptions } from './openpi-policy.ts';
import { startOpenpiServer } from './openpi-server.ts';
import { type WireMap, type WireValue, wireMap } from './wire-value.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server that greets and answers as the test says. */
async function fake(
  greeting: WireValue,
  answer: (message: WireMap, socket: WebSocket, count: number) => WireValue | string | undefined,
  port = 0,
) {
  const server = await startAgain(async () => {
    const made = new WebSocketServer({ port, host: '127.0.0.1' });
    await once(made, 'listening');
    return made;
  });
  let count = 0;
  server.on('connection', (socket) => {
    socket.send(typeof greeting === 'string' ? greeting : writeMessage(greeting));
    socket.on('message', (data: Buffer) => {
      count += 1;
      const reply = answer(readMessage(new Uint8Array(data)) as WireMap, socket, count);
      if (reply !== undefined) socket.send(typeof reply === 'string' ? reply : writeMessage(reply));
    });
  });
  const stop = () =>
    new Promise((done) => {
      for (const socket of server.clients) socket.terminate();
      server.close(done);
    });
  closing.push(stop);
  const { port: bound } = server.address() as { port: number };
  return { url: `ws://127.0.0.1:${bound}`, port: bound, stop };
}

async function connect(options: OpenpiPolicyOptions): Promise<OpenpiPolicy> {
  const policy = await openOpenpiPolicy(options);
  closing.push(() => policy.close());
  return policy;
}

async function serve(spec: Partial<PolicySpec>, path = '') {
  const policy = new EchoPolicy(spec);
  const engine = new Engine({ policies: new Map([['echo', policy]]) });
  const server = await startOpenpiServer(engine, { port: 0 });
  closing.push(
    () => engine.close(),
    () => server.close(),
  );
  return { policy, url: `ws://127.0.0.1:${server.port}${path}` };
}

const observe = (
  cameras: readonly string[],
  state: readonly number[],
  width = 4,
  height = 2,
): Observation => ({
  timestep: 5,
  timestampNs: 77,
  state: Float64Array.from(state),
  velocity: new Float64Array(state.length),
  cameras: new Map(
    cameras.map((name) => [
      name,
      {
        name,
        width,
        height,
        rgb: Uint8Array.from({ length: 3 * width * height }, (_, i) => i),
        capturedNs: 0,
        sequence: 0,
      },
    ]),
  ),
  task: 'tidy up',
});

const rows = (count: number, width: number, value = 1) =>
  float64Array(new Float64Array(count * width).fill(value), [count, width]);
const code = (wanted: string) => expect.objectContaining({ code: wanted });

const REAL_TIME = {
  mode: 'guided',
  trainedDelay: 2,
  executionHorizon: 12,
  schedule: 'exp',
  maxGuidance: 4,
} as const;

describe('the openpi client', () => {
  it('learns everything from a Myelin server and passes everything on', async () => {
    const { policy, url } = await serve({
      cameras: [{ name: 'front' }, { name: 'wrist', optional: true }],
      subtasks: true,
      realTime: REAL_TIME,
    });
    const client = await connect({ url });
    expect(client.spec).toMatchObject({
      name: 'echo model',
      cameras: [{ name: 'front' }, { name: 'wrist', optional: true }],
      stateNames: ['a', 'b'],
      chunkRows: 3,
      actionSteps: 2,
      stepPeriodS: 0.05,
      subtasks: true,
      realTime: REAL_TIME,
    });
    const options: InferOptions = {
      seed: 3,
      flowSteps: 2,
      noise: new Float32Array(6).fill(0.25),
      subtask: { text: 'take it' },
      realTimeChunk: {
        previous: Float64Array.of(1, 2),
        rows: 1,
        delaySteps: 1,
        mode: 'trained',
        executionHorizon: 4,
        schedule: 'zeros',
        maxGuidance: 2,
      },
    };
    const chunk = await client.infer(observe(['front'], [1, 2]), options);
    expect(chunk).toEqual({
      actions: Float64Array.of(1, 2, 2, 3, 3, 4),
      rows: 3,
      dof: 2,
      stepPeriodS: 0.05,
      timestep: 5,
      observedNs: 77,
    });
    expect(policy.seen[0]?.observation.timestep).toBe(5);
    expect(policy.seen[0]?.options).toMatchObject(options);
    const subtask = await client.generateSubtask?.(observe(['front'], [1, 2]), {
      maxDecodingSteps: 4,
      temperature: 0,
    });
    expect(subtask).toEqual({ text: 'step 1 of tidy up', tokens: [7, 8, 1] });
    expect(policy.seen).toHaveLength(1);
    client.reset();
    await client.infer(observe(['front'], [1, 2]));
    expect(policy.resets).toBe(1);
  });

  it('fits pictures into squares on black without changing their proportions', async () => {
    const { policy, url } = await serve({ cameras: [{ name: 'front' }] });
    const client = await connect({ url });
    const white = observe(['front'], [1, 2], 64, 32);
    white.cameras.get('front')?.rgb.fill(200);
    await client.infer(white);
    const frame = policy.seen[0]?.observation.cameras.get('front');
    expect([frame?.width, frame?.height]).toEqual([224, 224]);
    const at = (x: number, y: number) => frame?.rgb[3 * (224 * y + x)];
    expect([at(0, 55), at(0, 56), at(112, 112), at(223, 167), at(223, 168)]).toEqual([0, 200, 200, 200, 0]);
  });

  it.each(['/openpi/policy', '/v1/realtime/robot/openpi'])('speaks the dialect of %s', async (path) => {
    const { policy, url } = await serve({ cameras: [{ name: 'base_0_rgb' }] }, path);
    const client = await connect({ url });
    const chunk = await client.infer(observe(['base_0_rgb'], [1, 2]), { seed: 4, flowSteps: 3 });
    expect([...chunk.actions]).toEqual([1, 2, 2, 3, 3, 4]);
    expect(policy.seen[0]?.options).toMatchObject({ seed: 4, flowSteps: 3 });
    expect(policy.seen[0]?.observation).toMatchObject({ task: 'tidy up' });
    await expect(client.infer(observe(['camera of another name'], [1, 2]))).rejects.toEqual(
      code('OBSERVATION_MISMATCH'),
    );
    await expect(client.infer(observe(['base_0_rgb'], [1, Number.NaN]))).rejects.toEqual(
      code('OBSERVATION_MISMATCH'),
    );
    expect(policy.seen).toHaveLength(1);
  });

  it("writes a robot's own keys for openpi's own server", async () => {
    const messages: WireMap[] = [];
    const { url } = await fake(new Map(), (message) => {
      messages.push(message);
      return wireMap({ actions: rows(50, message.has('state') ? 14 : 8) });
    });
    const aloha = await connect({ url, robot: 'aloha' });
    expect(aloha.spec).toMatchObject({
      chunkRows: 50,
      stepPeriodS: 1 / 50,
      cameras: [{ name: 'cam_high' }, {}, {}, {}],
    });
    await aloha.infer(observe(['cam_high', 'cam_low'], [...Array(14).keys()]));
    expect([...(messages[0] as WireMap).keys()]).toEqual(['images', 'state', 'prompt']);
    const high = ((messages[0] as WireMap).get('images') as WireMap).get('cam_high') as NdArray;
    expect([high.dtype, high.shape]).toEqual(['|u1', [3, 224, 224]]);
    const droid = await connect({ url, robot: 'droid' });
    await droid.infer(observe(['exterior_image_1_left', 'wrist_image_left'], [1, 2, 3, 4, 5, 6, 7, 8]));
    const sent = messages[1] as WireMap;
    expect(toNumbers(sent.get('observation/gripper_position') as NdArray)).toEqual(Float64Array.of(8));
    expect((sent.get('observation/wrist_image_left') as NdArray).shape).toEqual([224, 224, 3]);
  });

  it.each(['aloha', 'droid', 'libero'])(
    'sends a stock server the same bytes with and without a chunk to continue: %s',
    async (robot) => {
      const messages: Uint8Array[] = [];
      const { url } = await fake(new Map(), (message) => {
        messages.push(writeMessage(message));
        return wireMap({ actions: rows(50, { aloha: 14, droid: 8, libero: 7 }[robot] ?? 0) });
      });
      const client = await connect({ url, robot });
      expect(client.spec.realTime).toBeUndefined();
      const seen = observe(
        client.spec.cameras.map(({ name }) => name),
        Array(14).fill(0.5),
      );
      await client.infer(seen);
      await client.infer(seen, {
        realTimeChunk: { previous: Float64Array.of(1), rows: 1, delaySteps: 1, mode: 'guided' },
      });
      expect(messages[1]).toEqual(messages[0]);
    },
  );

  it('normalises both ways for SGLang, and will not start without knowing how', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'myelin-norm-'));
    closing.push(() => rm(folder, { recursive: true }));
    const file = join(folder, 'norm_stats.json');
    const stats = { mean: [0, 0], std: [1, 1], q01: [0, 10], q99: [2, 30] };
    await writeFile(file, JSON.stringify({ norm_stats: { state: stats, actions: stats } }));
    const metadata = wireMap({
      object: 'action.metadata',
      model: 'lerobot/pi05_base',
      input: wireMap({ image_keys: ['base_0_rgb', 'empty_camera_0'], state_dim: 32 }),
      output: wireMap({ action_horizon: 2, action_dim: 32 }),
    });
    let state: number[] = [];
    const { url } = await fake(metadata, (message) => {
      state = [...(toNumbers(message.get('state') as NdArray) ?? [])];
      return wireMap({ actions: rows(2, 32, 0.5) });
    });
    await expect(openOpenpiPolicy({ url })).rejects.toThrow('norm_stats.json');
    const client = await connect({ url, normStats: await readNormStats(file) });
    const chunk = await client.infer(observe(['base_0_rgb'], [1, 30]));
    expect(state[0]).toBeCloseTo(0, 5);
    expect(state[1]).toBeCloseTo(1, 5);
    expect(chunk.dof).toBe(2);
    expect([...chunk.actions].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([1.5, 25, 1.5, 25]);
    await expect(client.infer(observe(['base'], [1, 30]))).rejects.toEqual(code('OBSERVATION_MISMATCH'));
  });

  it.each([
    ['no actions', wireMap({}), /no array of actions/],
    ['something else', 5, /answer that is no map/],
    ['rows of another width', wireMap({ actions: rows(2, 3) }), /rows of 3 actions, not 2/],
    ['too few numbers', wireMap({ actions: rows(2, 1) }), /not rows of 2 actions/],
    ['one axis', wireMap({ actions: float64Array(Float64Array.of(1, 2)) }), /not rows of 2 actions/],
    ['no rows', wireMap({ actions: rows(0, 2) }), /not rows of 2 actions/],
    ['NaN', wireMap({ actions: rows(1, 2, Number.NaN) }), /NaN as action number 0/],
    ['text', wireMap({ actions: new NdArray('<U1', [1, 2], new Uint8Array(8)) }), /not rows/],
  ])('drops an answer of %s', async (_, answer, message) => {
    const { url } = await fake(new Map(), () => answer as WireValue);
    const client = await connect({ url, chunkRows: 2, actionLength: 2 });
    const wide = await connect({ url, chunkRows: 2, robot: 'generic', actionLength: 2 });
    const failure = expect(client.infer(observe([], [1, 2]))).rejects;
    if (/3 actions/.test(String(message)))
      await expect(wide.infer(observe([], [1, 2]))).resolves.toMatchObject({ dof: 2 });
    else await failure.toThrow(message);
  });

  it('says what the server said, the last line of a traceback', async () => {
    const { url } = await fake(new Map(), (_, socket) => {
      socket.send('Traceback (most recent call last):\n  File "x.py"\nKeyError: state\n', () =>
        socket.close(1011),
      );
      return undefined;
    });
    const client = await connect({ url, chunkRows: 2, actionLength: 2 });
    const failed = client.infer(observe([], [1, 2]));
    await expect(failed).rejects.toEqual(code('SERVER_REFUSED'));
    await expect(failed).rejects.toThrow(/answered: KeyError: state$/);
  });

  it('goes on by itself when the server was restarted, and says so while it is away', async () => {
    const answer = () => wireMap({ actions: rows(2, 2) });
    const first = await fake(new Map(), answer);
    const client = await connect({ url: first.url, chunkRows: 2, actionLength: 2 });
    await client.infer(observe([], [1, 2]));
    await first.stop();
    await expect(client.infer(observe([], [1, 2]))).rejects.toEqual(code('SERVER_UNREACHABLE'));
    await fake(new Map(), answer, first.port);
    await expect(client.infer(observe([], [1, 2]))).resolves.toMatchObject({ rows: 2 });
  });

  it('asks again once when the connection breaks under a request', async () => {
    const { url } = await fake(new Map(), (_, socket, count) => {
      if (count === 2) socket.terminate();
      return wireMap({ actions: rows(2, 2, count) });
    });
    const client = await connect({ url, chunkRows: 2, actionLength: 2 });
    await client.infer(observe([], [1, 2]));
    expect((await client.infer(observe([], [1, 2]))).actions[0]).toBe(3);
  });

  it('never takes a late answer for the next one', async () => {
    const { url } = await fake(new Map(), (message, socket, count) => {
      const reply = wireMap({
        actions: rows(2, 2, (toNumbers(message.get('observation/state') as NdArray) ?? [])[0]),
      });
      if (count > 1) return reply;
      setTimeout(() => socket.send(writeMessage(reply)), 3000);
      return undefined;
    });
    const client = await connect({ url, chunkRows: 2, actionLength: 2, timeoutMs: 1500 });
    await expect(client.infer(observe([], [1, 2]))).rejects.toEqual(code('DEADLINE_EXCEEDED'));
    for (let i = 2; i < 6; i++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect((await client.infer(observe([], [i, 2]))).actions[0]).toBe(i);
    }
  });

  it('gives up waiting when it is told to, and pairs answers all the same', async () => {
    let arrived = () => {};
    const atWork = new Promise<void>((done) => {
      arrived = done;
    });
    const { url } = await fake(new Map(), (message, socket) => {
      const [value] = toNumbers(message.get('observation/state') as NdArray) ?? [];
      setTimeout(() => socket.send(writeMessage(wireMap({ actions: rows(2, 2, value) }))), 30);
      arrived();
      return undefined;
    });
    const client = await connect({ url, chunkRows: 2, actionLength: 2 });
    const abort = new AbortController();
    const given = client.infer(observe([], [1, 2]), { signal: abort.signal });
    await atWork;
    abort.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    expect((await client.infer(observe([], [9, 2]))).actions[0]).toBe(9);
  });

  it('refuses a server that came back with another policy', async () => {
    const greeting = (dim: number) =>
      wireMap({ action_space: 'joint_position', action_horizon: 2, action_dim: dim });
    const first = await fake(greeting(2), () => rows(2, 2));
    const client = await connect({ url: first.url });
    await client.infer(observe(['base_0_rgb'], [1, 2]));
    await first.stop();
    await fake(greeting(7), () => rows(2, 7), first.port);
    await expect(client.infer(observe(['base_0_rgb'], [1, 2]))).rejects.toThrow('another policy');
  });

  it.each([
    ['text in place of metadata', 'hello', /answered: hello/],
    ['a number in place of metadata', 5, /no metadata/],
  ])('refuses a server that greets with %s', async (_, greeting, message) => {
    const { url } = await fake(greeting, () => undefined);
    await expect(openOpenpiPolicy({ url, robot: 'libero' })).rejects.toThrow(message);
  });

  it('says when the server does not tell what must be known, is not there, or wants a key', async () => {
    const { url } = await fake(new Map(), () => undefined);
    await expect(openOpenpiPolicy({ url })).rejects.toThrow('rows and numbers a row');
    await expect(openOpenpiPolicy({ url: 'ws://127.0.0.1:1' })).rejects.toEqual(code('SERVER_UNREACHABLE'));
    const engine = new Engine({ policies: new Map([['echo', new EchoPolicy()]]) });
    const server = await startOpenpiServer(engine, { port: 0, token: 'a-good-secret' });
    closing.push(
      () => engine.close(),
      () => server.close(),
    );
    const guarded = `ws://127.0.0.1:${server.port}`;
    await expect(openOpenpiPolicy({ url: guarded })).rejects.toThrow('401');
    await connect({ url: guarded, apiKey: 'a-good-secret' });
  });
});
