import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { PolicySpec } from '../../policies/policy.ts';
import { Engine } from '../engine/engine.ts';
import { EchoPolicy } from '../testing.ts';
import type { WebSocketHost } from '../websocket/websocket-host.ts';
import { readMessage } from './msgpack-reader.ts';
import { writeMessage } from './msgpack-writer.ts';
import { float64Array, NdArray, toNumbers, uint8Array } from './ndarray.ts';
import { type OpenpiServerOptions, startOpenpiServer } from './openpi-server.ts';
import { type WireMap, type WireValue, wireMap } from './wire-value.ts';

const CAMERAS = [
  { name: 'base_0_rgb' },
  { name: 'left_wrist_0_rgb', optional: true },
  { name: 'right_wrist_0_rgb', optional: true },
];

/** A client that keeps frames until they are asked for. */
class Client {
  readonly socket: WebSocket;
  readonly frames: (string | WireValue)[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #wake: () => void = () => undefined;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, { headers, perMessageDeflate: false });
    this.socket.on('message', (data: Buffer, binary) => {
      this.frames.push(binary ? readMessage(new Uint8Array(data)) : data.toString());
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((done) =>
      this.socket.on('close', (code, reason) => done({ code, reason: reason.toString() })),
    );
  }

  async next(): Promise<string | WireValue> {
    while (this.frames.length === 0)
      await new Promise<void>((done) => {
        this.#wake = done;
      });
    return this.frames.shift() as string | WireValue;
  }

  async map(): Promise<WireMap> {
    return (await this.next()) as WireMap;
  }

  send(value: WireValue): void {
    this.socket.send(writeMessage(value));
  }
}

const open: { server: WebSocketHost; engine: Engine }[] = [];
afterEach(async () => {
  for (const { server, engine } of open.splice(0)) {
    await server.close();
    await engine.close();
  }
});

async function serve(spec: Partial<PolicySpec> = {}, options: OpenpiServerOptions = {}) {
  const policy = new EchoPolicy(spec);
  const engine = new Engine({ policies: new Map([['echo', policy]]) });
  const server = await startOpenpiServer(engine, { port: 0, ...options });
  open.push({ server, engine });
  const connect = (path = '', headers = {}) => new Client(`ws://127.0.0.1:${server.port}${path}`, headers);
  return { policy, server, connect };
}

const floats = (...values: number[]) => float64Array(Float64Array.from(values));
const picture = (height: number, width: number) =>
  uint8Array(new Uint8Array(3 * height * width).fill(9), [height, width, 3]);
const LIBERO = wireMap({
  'observation/image': picture(4, 6),
  'observation/wrist_image': picture(2, 2),
  'observation/state': floats(1, 2, 3, 4, 5, 6, 7, 8),
  prompt: 'stack the bowls',
});
const numbersOf = (value: WireValue | undefined) => [...(toNumbers(value as NdArray) ?? [])];

describe('the openpi server', () => {
  it('sends its metadata first and answers a request with actions and times', async () => {
    const { policy, connect } = await serve(
      { cameras: CAMERAS },
      { metadata: wireMap({ reset_pose: [0, 1] }) },
    );
    const client = connect();
    expect(await client.map()).toEqual(new Map([['reset_pose', [0, 1]]]));
    client.send(LIBERO);
    const answer = await client.map();
    expect([...answer.keys()]).toEqual(['actions', 'policy_timing', 'server_timing']);
    const actions = answer.get('actions') as NdArray;
    expect([actions.dtype, actions.shape]).toEqual(['<f8', [3, 8]]);
    expect(numbersOf(actions).slice(0, 9)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 2]);
    expect([...(answer.get('server_timing') as WireMap).keys()]).toEqual(['infer_ms']);
    client.send(LIBERO);
    const second = await client.map();
    expect([...(second.get('server_timing') as WireMap).keys()]).toEqual(['infer_ms', 'prev_total_ms']);
    const { observation } = policy.seen[1] ?? {};
    expect(observation?.task).toBe('stack the bowls');
    expect(observation?.timestep).toBe(2);
    expect([...(observation?.cameras.keys() ?? [])]).toEqual(['base_0_rgb', 'left_wrist_0_rgb']);
    expect(observation?.cameras.get('base_0_rgb')).toMatchObject({ width: 6, height: 4 });
  });

  it('reads ALOHA with its colours first, and DROID with its state in parts', async () => {
    const { policy, connect } = await serve({ cameras: CAMERAS });
    const client = connect();
    await client.next();
    const planes = Uint8Array.from({ length: 3 * 4 * 6 }, (_, i) => i);
    client.send(
      wireMap({
        state: floats(...Array(14).keys()),
        images: wireMap({ cam_high: uint8Array(planes, [3, 4, 6]), cam_low: picture(2, 2) }),
        prompt: 'fold',
      }),
    );
    expect(((await client.map()).get('actions') as NdArray).shape).toEqual([3, 14]);
    const frame = policy.seen[0]?.observation.cameras.get('base_0_rgb');
    expect([frame?.width, frame?.height, ...(frame?.rgb.subarray(0, 6) ?? [])]).toEqual([
      6, 4, 0, 24, 48, 1, 25, 49,
    ]);
    client.send(
      wireMap({
        'observation/exterior_image_1_left': picture(2, 2),
        'observation/wrist_image_left': new NdArray(
          '<f4',
          [1, 2, 3],
          new Uint8Array(new Float32Array(6).fill(0.5).buffer),
        ),
        'observation/joint_position': floats(1, 2, 3, 4, 5, 6, 7),
        'observation/gripper_position': 0.25,
        prompt: 'open',
      }),
    );
    await client.next();
    const droid = policy.seen[1]?.observation;
    expect([...(droid?.state ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 0.25]);
    expect(droid?.cameras.get('left_wrist_0_rgb')?.rgb).toEqual(new Uint8Array(6).fill(127));
  });

  it('matches cameras of any robot by name, or as it is told', async () => {
    const { policy, connect } = await serve(
      { cameras: [{ name: 'front' }, { name: 'wrist' }] },
      { cameras: { 'hand eye': 'wrist' } },
    );
    const client = connect();
    await client.next();
    client.send(
      wireMap({
        'observation/state': floats(1),
        'observation.images.front': picture(1, 1),
        images: wireMap({ 'hand eye': picture(2, 2) }),
      }),
    );
    await client.next();
    expect([...(policy.seen[0]?.observation.cameras.keys() ?? [])].sort()).toEqual(['front', 'wrist']);
  });

  it.each([
    [
      'a camera of an unknown name',
      { 'observation/imgae': picture(2, 2) },
      /OBSERVATION_MISMATCH.*base_0_rgb.*imgae/,
    ],
    ['no camera', {}, /pictures named base_0_rgb.*no picture/],
    [
      'a picture of no picture shape',
      { images: wireMap({ base_0_rgb: floats(1, 2) }) },
      /PICTURE_UNDECODABLE.*<f8 \[2\]/,
    ],
    [
      'floats that are no levels',
      {
        'observation/image': new NdArray(
          '<f4',
          [1, 1, 3],
          new Uint8Array(new Float32Array(3).fill(200).buffer),
        ),
      },
      /from 0 to 1/,
    ],
    [
      'a state that is not finite',
      { 'observation/image': picture(2, 2), state: floats(1, Number.NaN) },
      /finite numbers under "state"/,
    ],
    ['a state of text', { 'observation/image': picture(2, 2), state: ['a'] }, /finite numbers under "state"/],
    ['a prompt that is no text', { 'observation/image': picture(2, 2), prompt: 5 }, /text under "prompt"/],
    ['an addition nobody knows', { myelin: wireMap({ sede: 1 }) }, /MESSAGE_INVALID.*myelin/],
  ])('names the fault and closes with 1011, as stock clients expect, on %s', async (_, entries, message) => {
    const { connect } = await serve({ cameras: CAMERAS });
    const client = connect();
    await client.next();
    client.send(wireMap(entries as Record<string, WireValue>));
    const text = await client.next();
    expect(text).toMatch(message);
    expect(text).not.toMatch(/\.ts|\bat /);
    expect((await client.closed).code).toBe(1011);
  });

  it('answers text and broken frames with their fault', async () => {
    const { connect } = await serve();
    for (const frame of ['{"a":1}', Buffer.from('c1', 'hex'), Buffer.from('05', 'hex'), Buffer.alloc(0)]) {
      const client = connect();
      await client.next();
      client.socket.send(frame);
      expect(await client.next()).toContain('MESSAGE_INVALID');
      expect((await client.closed).code).toBe(1011);
    }
  });

  it('gives each of several clients its own answer, and health while a model runs', async () => {
    const { policy, server, connect } = await serve();
    let release = () => {};
    policy.gate = new Promise((done) => {
      release = done;
    });
    const clients = [connect(), connect(), connect()];
    for (const [i, client] of clients.entries()) {
      await client.next();
      client.send(wireMap({ state: floats(100 * i, 0) }));
    }
    const health = await fetch(`http://127.0.0.1:${server.port}/healthz`);
    expect([health.status, await health.text()]).toEqual([200, 'OK\n']);
    release();
    const answers = await Promise.all(clients.map((client) => client.map()));
    expect(answers.map((answer) => numbersOf(answer.get('actions'))[0])).toEqual([0, 100, 200]);
  });

  it('answers a client that sends ahead in order', async () => {
    const { connect } = await serve();
    const client = connect();
    await client.next();
    for (let i = 0; i < 20; i++) client.send(wireMap({ state: floats(i, 0) }));
    for (let i = 0; i < 20; i++) expect(numbersOf((await client.map()).get('actions'))[0]).toBe(i);
  });

  it('lets only clients with the key in, however they name it, and no web page', async () => {
    const { connect } = await serve({}, { token: 'another-horse' });
    expect((await connect().closed).code).toBe(1006);
    expect((await connect('', { authorization: 'Api-Key wrong-horse' }).closed).code).toBe(1006);
    const { connect: keyed } = await serve({}, { token: 'correct-horse' });
    for (const scheme of ['Api-Key', 'Bearer']) {
      expect(await keyed('', { authorization: `${scheme} correct-horse` }).map()).toEqual(new Map());
    }
    const page = keyed('', { authorization: 'Bearer correct-horse', origin: 'https://evil.example' });
    expect((await page.closed).code).toBe(1006);
  });

  it('tells a client that asks what the policy needs, and nothing of its folders', async () => {
    const { connect } = await serve({ cameras: CAMERAS });
    const metadata = await connect('', { 'myelin-extensions': '1' }).map();
    const own = metadata.get('myelin') as WireMap;
    expect(own.get('chunk_rows')).toBe(3);
    expect((own.get('cameras') as WireMap[]).map((camera) => camera.get('name'))).toEqual(
      CAMERAS.map(({ name }) => name),
    );
    expect(own.get('policy')).toBe('echo model');
  });

  it('takes noise, seed, steps, subtasks and the running chunk from a client that sends them', async () => {
    const { policy, connect } = await serve({ subtasks: true });
    const client = connect();
    await client.next();
    const previous = floats(1, 2, 3, 4);
    client.send(
      wireMap({
        state: floats(0, 0),
        prompt: 'tidy',
        myelin: wireMap({
          request_id: 'r7',
          timestep: 41,
          noise: new NdArray('<f4', [3, 2], new Uint8Array(new Float32Array(6).fill(0.5).buffer)),
          seed: 9,
          num_steps: 4,
          subtask: wireMap({ max_decoding_steps: 5, temperature: 0 }),
          real_time_chunk: wireMap({ previous, rows: 2, delay_steps: 1, mode: 'guided' }),
        }),
      }),
    );
    const own = (await client.map()).get('myelin') as WireMap;
    expect(own.get('request_id')).toBe('r7');
    expect(own.get('timestep')).toBe(41);
    expect(own.get('subtask')).toBe('step 1 of tidy');
    const { observation, options } = policy.seen[0] ?? {};
    expect(observation?.timestep).toBe(41);
    expect(options).toMatchObject({
      noise: new Float32Array(6).fill(0.5),
      seed: 9,
      flowSteps: 4,
      subtask: { text: 'step 1 of tidy' },
      realTimeChunk: { previous: Float64Array.of(1, 2, 3, 4), rows: 2, delaySteps: 1, mode: 'guided' },
    });
  });

  it('speaks as SGLang under its path', async () => {
    const { policy, connect } = await serve({ cameras: CAMERAS });
    const client = connect('/openpi/policy');
    const metadata = await client.map();
    expect(metadata.get('object')).toBe('action.metadata');
    expect((metadata.get('input') as WireMap).get('image_keys')).toEqual(CAMERAS.map(({ name }) => name));
    client.send(
      wireMap({
        base_0_rgb: picture(2, 2),
        state: floats(5, 6),
        task: 'go',
        seed: 3,
        num_inference_steps: 2,
        noise: new NdArray('<f4', [1, 2, 3], new Uint8Array(24)),
      }),
    );
    expect(numbersOf((await client.map()).get('actions'))).toEqual([5, 6, 6, 7, 7, 8]);
    expect(policy.seen[0]?.options).toMatchObject({ seed: 3, flowSteps: 2, noise: new Float32Array(6) });
    client.send(wireMap({ state: floats(1) }));
    expect((await client.map()).get('error')).toMatch(/OBSERVATION_MISMATCH/);
    expect((await client.closed).code).toBe(1011);
  });

  it('speaks as vLLM-Omni under its path: a bare array, reset, and faults that leave it open', async () => {
    const events: string[] = [];
    const { policy, connect } = await serve({ cameras: CAMERAS }, { onEvent: (text) => events.push(text) });
    const client = connect('/v1/realtime/robot/openpi');
    expect((await client.map()).get('action_space')).toBe('joint_position');
    const request = wireMap({
      'observation.images.base_0_rgb': picture(2, 2),
      state: floats(5, 6),
      session_id: 'a',
    });
    client.send(request);
    expect(numbersOf(await client.next())).toEqual([5, 6, 6, 7, 7, 8]);
    for (let i = 0; i < 3; i++) {
      client.send(wireMap({ state: floats(1), session_id: 'a' }));
      expect((await client.map()).get('type')).toBe('error');
    }
    // A client that goes on with its mistake does not fill the log.
    expect(events.filter((text) => text.includes('no picture'))).toHaveLength(1);
    client.send(wireMap({ endpoint: 'reset' }));
    expect(await client.map()).toEqual(new Map([['status', 'reset successful']]));
    client.send(new Map([...request, ['session_id', 'b']]));
    expect(await client.next()).toBeInstanceOf(NdArray);
    expect(policy.resets).toBe(2);
  });
});
