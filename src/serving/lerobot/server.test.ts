import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createNoopPolicy } from '../engine/noop-policy.ts';
import { CODECS } from './codec.ts';
import type { LeRobotFeature, ObservationValue } from './messages.ts';
import { startLeRobotServer } from './server.ts';
import { ASYNC_INFERENCE } from './service.ts';
import { CountingPolicy, robotConfig, temporaryFolder, testServer } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(...args: Parameters<typeof testServer>) {
  const set = await testServer(...args);
  cleanups.push(set.close);
  return set;
}

/** A client that has shaken hands. */
async function robot(...args: Parameters<typeof testServer>) {
  const set = await start(...args);
  const client = set.connect();
  await client.ready();
  await client.instruct();
  return { ...set, client };
}

const picture = (height: number, width: number, level = 7): ObservationValue => ({
  type: 'U8',
  shape: [height, width, 3],
  bytes: new Uint8Array(height * width * 3).fill(level),
});
const image = (height: number, width: number): LeRobotFeature => ({
  dtype: 'image',
  shape: [height, width, 3],
  names: ['height', 'width', 'channels'],
});

describe("LeRobot's protocol at the server", () => {
  it('labels actions from the step and time of their observation on, at the frame rate of the server', async () => {
    const { client } = await robot(new CountingPolicy(), { fps: 10 });
    await client.send(10, [1, 2], { mustGo: true });
    const chunk = await client.actions();
    expect(chunk!.rows.slice(0, 3)).toEqual([
      { timestep: 10, timestampS: 110 },
      { timestep: 11, timestampS: expect.closeTo(110.1, 6) },
      { timestep: 12, timestampS: expect.closeTo(110.2, 6) },
    ]);
    expect([chunk!.rows.length, chunk!.dof, chunk!.actions[3]]).toEqual([20, 2, 10_003]);
  });

  it('gives no more actions than the client asked for', async () => {
    const { client } = await robot(new CountingPolicy());
    await client.instruct({ actionsPerChunk: 5 });
    await client.send(1);
    expect((await client.actions())!.rows).toHaveLength(5);
  });

  it('answers with nothing when no observation came in time', async () => {
    const { client } = await robot(new CountingPolicy());
    expect(await client.actions()).toBeUndefined();
  });

  it('answers a request that waits as soon as an observation comes', async () => {
    const { client } = await robot(new CountingPolicy(), { observationTimeoutS: 30 });
    const waiting = client.actions();
    await client.send(3);
    expect((await waiting)!.rows[0]!.timestep).toBe(3);
  });

  it('keeps one observation, the newest', async () => {
    const policy = new CountingPolicy();
    const { client } = await robot(policy);
    for (const step of [1, 2, 3]) await client.send(step, [step, 0]);
    expect((await client.actions())!.rows[0]!.timestep).toBe(3);
    expect(await client.actions()).toBeUndefined();
    expect(policy.asked).toHaveLength(1);
  });

  it('holds an answer back until the inference latency is over', async () => {
    const { client } = await robot(new CountingPolicy(), { inferenceLatencyS: 0.15 });
    await client.send(1);
    const startedMs = performance.now();
    await client.actions();
    expect(performance.now() - startedMs).toBeGreaterThan(145);
  });

  it('takes an observation in pieces of any size', async () => {
    const policy = new CountingPolicy();
    const { client } = await robot(policy);
    const values = new Map<string, ObservationValue>([
      ['j0.pos', 1],
      ['j1.pos', 2],
      ['big', picture(300, 300)],
    ]);
    const payload = CODECS.pickle.writeObservation({ timestampS: 1, timestep: 4, mustGo: true, values });
    await client.upload(payload, 1000);
    expect((await client.actions())!.rows[0]!.timestep).toBe(4);
  });

  it('shows the policy the state in the order of its names, and pictures in its own size', async () => {
    const policy = new CountingPolicy();
    policy.spec.cameras.push({ name: 'top', width: 8, height: 6 } as never);
    const { client } = await start(policy).then(({ connect }) => ({ client: connect() }));
    const features = new Map([
      ['observation.state', { dtype: 'float32', shape: [2], names: ['j1.pos', 'j0.pos'] }],
      ['observation.images.front', image(12, 16)],
    ]);
    await client.instruct({
      features,
      renameMap: new Map([['observation.images.front', 'observation.images.top']]),
    });
    await client.send(1, [0.1, 2], { more: { front: picture(12, 16, 9) } });
    await client.actions();
    const { state, cameras, task } = policy.asked[0]!.observation;
    expect([...state]).toEqual([2, Math.fround(0.1)]);
    const { name, width, height, rgb } = cameras.get('top')!;
    expect([name, width, height, rgb.length, rgb[100], task]).toEqual(['top', 8, 6, 144, 9, '']);
  });

  it('answers in the form it is asked in: a client with the safetensors form gets that', async () => {
    const { server, connect } = await start(new CountingPolicy());
    const { connection } = connect();
    const codec = CODECS.safetensors;
    const limits = { deadlineMs: 5000 };
    await connection.call(
      ASYNC_INFERENCE.sendPolicyInstructions,
      codec.writePolicyConfig(robotConfig()),
      limits,
    );
    const client = connect();
    await client.instruct();
    const values = new Map([
      ['j0.pos', 1],
      ['j1.pos', 2],
    ]);
    const payload = codec.writeObservation({ timestampS: 1, timestep: 4, mustGo: true, values });
    const upload = [{ state: 3, data: payload }];
    await connection.upload(ASYNC_INFERENCE.sendObservations, upload, limits);
    const bytes = await connection.call(ASYNC_INFERENCE.getActions, {}, limits);
    expect(bytes[0]).toBe(0);
    expect(codec.readActions(bytes).rows).toHaveLength(20);
    expect(server.clients).toBe(2);
  });

  it('asks for the token in every call', async () => {
    const { connect } = await start(new CountingPolicy(), { token: 'open-sesame' });
    await expect(connect().ready()).rejects.toThrow('is missing');
    await expect(connect('open').actions()).rejects.toThrow('is wrong');
    await connect('open-sesame').ready();
  });

  it('serves only what it may', async () => {
    const { connect } = await start(new CountingPolicy());
    await expect(connect().instruct({ pretrainedNameOrPath: '/etc' })).rejects.toThrow(
      'does not serve "/etc". It serves: p',
    );
  });

  it('says at the handshake which camera or joint does not fit', async () => {
    const policy = new CountingPolicy();
    policy.spec.cameras.push({ name: 'top', width: 8, height: 6 } as never);
    const { connect } = await start(policy);
    await expect(connect().instruct()).rejects.toThrow('pictures from the camera "top"');
    const state = { dtype: 'float32', shape: [3], names: ['a', 'b', 'c'] };
    await expect(connect().instruct({ features: new Map([['observation.state', state]]) })).rejects.toThrow(
      '2 state numbers',
    );
  });

  it('says what is wrong with an observation', async () => {
    const { client } = await robot(new CountingPolicy());
    await expect(client.send(1, [1])).rejects.toThrow('a finite number for "j1.pos"');
    await expect(client.send(1, [1, Number.NaN])).rejects.toThrow('j1.pos');
    await expect(client.upload(Buffer.from('80045d2e', 'hex'))).rejects.toThrow('not a TimedObservation');
    await expect(client.upload(Buffer.from('cos\nsystem\n(S"id"\ntR.'))).rejects.toThrow(
      'asks for os.system',
    );
    await expect(
      client.connection.upload(ASYNC_INFERENCE.sendObservations, [], { deadlineMs: 5000 }),
    ).rejects.toThrow('ended before its last piece');
    await expect(
      client.connection.upload(ASYNC_INFERENCE.sendObservations, [{ state: 0, data: new Uint8Array(3) }], {
        deadlineMs: 5000,
      }),
    ).rejects.toThrow('transfer state 0');
    await client.send(1, [1, 2]);
    expect((await client.actions())!.rows[0]!.timestep).toBe(1);
  });

  it('refuses a port that is in use, and an open door', async () => {
    const { server, engine } = await start(new CountingPolicy());
    await expect(startLeRobotServer(engine, { port: server.port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
    });
    await expect(startLeRobotServer(engine, { port: 0, host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'LISTEN_UNSAFE',
    });
  });

  it('has no room for more clients than it may serve', async () => {
    const { connect } = await start(new CountingPolicy(), { maxClients: 2 });
    await connect().ready();
    await connect().ready();
    await expect(connect().ready()).rejects.toThrow('no room');
  });
});

describe('which observations are answered', () => {
  it('one that must go always is', async () => {
    const { client } = await robot(new CountingPolicy());
    for (let i = 0; i < 3; i++) {
      await client.send(1, [0, 0], { mustGo: true });
      expect(await client.actions()).toBeDefined();
    }
  });

  it('a step that was answered just now is not, nor a robot that has not moved', async () => {
    const { client } = await robot(new CountingPolicy());
    await client.send(1, [0, 0]);
    expect(await client.actions()).toBeDefined();
    await client.send(1, [5, 5]);
    expect(await client.actions()).toBeUndefined();
    await client.send(2, [1e-4, 0]);
    expect(await client.actions()).toBeUndefined();
    await client.send(3, [5, 5]);
    expect(await client.actions()).toBeDefined();
  });

  it('a new task is, however still the robot stands', async () => {
    const { client } = await robot(new CountingPolicy());
    await client.send(1, [0, 0]);
    expect(await client.actions()).toBeDefined();
    await client.send(2, [0, 0], { more: { task: 'now the other one' } });
    expect(await client.actions()).toBeDefined();
  });

  it('all are after Ready: another episode has begun', async () => {
    const { client } = await robot(new CountingPolicy());
    await client.send(1);
    await client.actions();
    await client.ready();
    await client.send(1);
    expect(await client.actions()).toBeDefined();
  });
});

describe('failures of the stock pair that do not exist here', () => {
  it('one policy failure with a still robot does not end all actions for ever', async () => {
    const policy = new CountingPolicy();
    policy.before = () => {
      if (policy.asked.length === 1) throw new Error('out of memory');
    };
    const { client, events } = await robot(policy);
    await client.send(0, [0, 0], { mustGo: true });
    await expect(client.actions()).rejects.toThrow('out of memory');
    // The stock client now says must_go no more, and its step and state are the same.
    await client.send(0, [0, 0]);
    expect((await client.actions())!.rows).toHaveLength(20);
    expect(events.join()).toContain('out of memory');
  });

  it('an answer that was lost on the way is given again', async () => {
    const { client } = await robot(new CountingPolicy());
    await client.send(0, [0, 0], { mustGo: true });
    await client.actions();
    // It never arrived: the client is still at step 0, and says must_go no more.
    await new Promise((resolve) => setTimeout(resolve, 1050));
    await client.send(0, [0, 0]);
    expect(await client.actions()).toBeDefined();
  });

  it('two clients at once both get their own actions', async () => {
    const policy = new CountingPolicy();
    const { connect } = await start(policy, { observationTimeoutS: 5 });
    const clients = [connect(), connect()];
    for (const client of clients) {
      await client.ready();
      await client.instruct();
    }
    for (let step = 0; step < 10; step++) {
      const steps = clients.map((_, i) => 1000 * i + step);
      await Promise.all(clients.map((client, i) => client.send(steps[i]!, [step, i], { mustGo: true })));
      const chunks = await Promise.all(clients.map((client) => client.actions()));
      expect(chunks.map((chunk) => chunk!.rows[0]!.timestep)).toEqual(steps);
      expect(chunks.map((chunk) => chunk!.actions[0])).toEqual(steps.map((each) => each * 1000));
      // A third one that only just says hello takes nothing from them.
      await connect().ready();
    }
  });

  it('a server process that was killed and started again serves clients that go on without a handshake', async () => {
    const folder = temporaryFolder();
    cleanups.push(folder.remove);
    const memoryFile = join(folder.path, 'state', 'memory.json');
    const first = await testServer(new CountingPolicy(), { memoryFile });
    const client = first.connect();
    await client.ready();
    await client.instruct();
    const { port } = first.server;
    await first.server.close();
    await first.engine.close();
    await start(new CountingPolicy(), { memoryFile, port, observationTimeoutS: 5 });
    cleanups.push(() => client.connection.close());
    await expect
      .poll(
        () =>
          client.send(77, [0, 0]).then(
            () => 'sent',
            () => 'lost',
          ),
        { timeout: 8000 },
      )
      .toBe('sent');
    expect((await client.actions())!.rows[0]!.timestep).toBe(77);
  });

  it('a client it knows nothing of is told so, at once', async () => {
    const { connect } = await start(new CountingPolicy());
    await expect(connect().send(1)).rejects.toThrow('start the client again');
  });

  it('a second client with the same policy waits for no load', async () => {
    let loads = 0;
    const { connect, engine } = await start(new CountingPolicy(), {
      checkpoint: '/checkpoint',
      opener: async () => {
        loads += 1;
        return createNoopPolicy();
      },
    });
    await connect().instruct({ pretrainedNameOrPath: '/checkpoint' });
    await connect().instruct({ pretrainedNameOrPath: '/checkpoint' });
    expect([loads, engine.stats().sessions]).toEqual([1, 2]);
  });

  it('a long chunk stays far below the message limit of stock clients', async () => {
    const policy = new CountingPolicy(200);
    const { client } = await robot(policy);
    await client.instruct({ actionsPerChunk: 200 });
    await client.send(1);
    const { deadlineMs } = { deadlineMs: 5000 };
    const bytes = await client.connection.call(ASYNC_INFERENCE.getActions, {}, { deadlineMs });
    expect(bytes.length).toBeLessThan(40_000);
    expect(CODECS.pickle.readActions(bytes).rows).toHaveLength(200);
  });
});
