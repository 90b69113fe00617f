import { type AddressInfo, createServer } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { CameraFrame, Observation } from '../../core/observation.ts';
import type { RealTimeChunk, RealTimeSupport } from '../../policies/policy.ts';
import { Engine } from '../engine/engine.ts';
import { startOpenpiServer } from '../openpi/openpi-server.ts';
import { EchoPolicy, startAgain } from '../testing.ts';
import { LeRobotPolicy, type LeRobotPolicyOptions } from './client.ts';
import { CODECS } from './codec.ts';
import type { TimedObservation } from './messages.ts';
import { ASYNC_INFERENCE } from './service.ts';
import { CountingPolicy, testServer } from './testing.ts';
import { Assembler } from './transfer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function policyAt(port: number, options: Partial<LeRobotPolicyOptions> = {}) {
  const events: string[] = [];
  const policy = new LeRobotPolicy({
    address: `127.0.0.1:${port}`,
    policyType: 'act',
    pretrainedNameOrPath: 'p',
    actionsPerChunk: 20,
    stateNames: ['j0.pos', 'j1.pos'],
    cameras: [],
    heartbeatMs: 0,
    onEvent: (text) => events.push(text),
    ...options,
  });
  cleanups.push(() => policy.close());
  return { policy, events };
}

const observation = (timestep: number, more: Partial<Observation> = {}): Observation => ({
  timestep,
  timestampNs: 5,
  state: Float64Array.of(0.5, 1),
  velocity: new Float64Array(2),
  cameras: new Map(),
  task: 'stack',
  ...more,
});

/** A server that speaks only LeRobot's messages, call by call as the test wants. */
async function stockServer(answer: (seen: TimedObservation) => Uint8Array | undefined, port = 0) {
  const codec = CODECS.pickle;
  const log: string[] = [];
  const payloads: Uint8Array[] = [];
  let newest: TimedObservation | undefined;
  const server = new Server();
  server.addService(ASYNC_INFERENCE, {
    ready: (_: unknown, done: (error: null, reply: object) => void) => {
      log.push('ready');
      done(null, {});
    },
    sendPolicyInstructions: (call: { request: Uint8Array }, done: (error: null, reply: object) => void) => {
      log.push(codec.readPolicyConfig(call.request).pretrainedNameOrPath);
      done(null, {});
    },
    sendObservations: (
      call: { on: (event: string, take: (piece: never) => void) => void },
      done: (error: null, reply: object) => void,
    ) => {
      const assembler = new Assembler();
      call.on('data', (piece) => {
        const whole = assembler.add(piece);
        if (whole === undefined) return;
        newest = codec.readObservation(whole);
        payloads.push(whole);
        log.push(`observation ${newest.timestep}`);
        done(null, {});
      });
    },
    getActions: (_: unknown, done: (error: null, reply: Uint8Array) => void) => {
      const bytes = newest === undefined ? undefined : answer(newest);
      newest = undefined;
      setTimeout(() => done(null, bytes ?? new Uint8Array(0)), 5);
    },
  } as never);
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, found) =>
      error ? reject(error) : resolve(found),
    ),
  );
  cleanups.push(() => server.forceShutdown());
  return { server, port: bound, log, payloads };
}

const chunkFor = (timestep: number, dof = 2, rows = 3): Uint8Array =>
  CODECS.pickle.writeActions({
    actions: Float32Array.from({ length: rows * dof }, (_, i) => i),
    dof,
    rows: Array.from({ length: rows }, (_, i) => ({ timestampS: i, timestep: timestep + i })),
  });

describe('the policy behind a server of ours', () => {
  it('is told how its checkpoint continues chunks, and passes the wish on', async () => {
    const realTime: RealTimeSupport = {
      mode: 'trained',
      trainedDelay: 3,
      executionHorizon: 12,
      schedule: 'exp',
      maxGuidance: 4,
    };
    const remote = new EchoPolicy({ realTime });
    const { server, close } = await testServer(remote);
    cleanups.push(close);
    const { policy } = policyAt(server.port);
    expect(policy.spec.realTime).toBeUndefined();
    await policy.connect();
    expect(policy.spec.realTime).toEqual(realTime);
    const realTimeChunk: RealTimeChunk = {
      previous: Float64Array.of(1, 2, 3, 4),
      rows: 2,
      delaySteps: 1,
      mode: 'guided',
      executionHorizon: 7,
      schedule: 'ones',
      maxGuidance: 2,
    };
    const noise = Float32Array.of(0.5, -1.25);
    await policy.infer(observation(1), { realTimeChunk, noise, seed: 7, flowSteps: 3 });
    expect(remote.seen[0]?.options).toMatchObject({ realTimeChunk, noise, seed: 7, flowSteps: 3 });
  });

  it('answers like a policy at hand, in one call, and tells the time the server took', async () => {
    const remote = new CountingPolicy();
    const { server, close } = await testServer(remote);
    cleanups.push(close);
    const front: CameraFrame = {
      name: 'front',
      width: 4,
      height: 2,
      rgb: new Uint8Array(24).fill(3),
      capturedNs: 0,
      sequence: 1,
    };
    const { policy } = policyAt(server.port, { cameras: [{ name: 'front', width: 4, height: 2 }], fps: 10 });
    const objects = new Map([['cube', Float64Array.of(1, 2, 3, 1, 0, 0, 0)]]);
    const chunk = await policy.infer(observation(7, { cameras: new Map([['front', front]]), objects }), {
      realTimeChunk: { previous: Float64Array.of(1, 2), rows: 1, delaySteps: 1, mode: 'guided' },
    });
    expect(chunk).toMatchObject({ rows: 20, dof: 2, timestep: 7, observedNs: 5, stepPeriodS: 0.1 });
    expect([...chunk.actions.subarray(0, 3)]).toEqual([7000, 7001, 7002]);
    const seen = remote.asked[0]!.observation;
    expect([seen.task, seen.state[0], seen.cameras.get('front')!.rgb[5]]).toEqual(['stack', 0.5, 3]);
    expect([...seen.objects!.get('cube')!]).toEqual([1, 2, 3, 1, 0, 0, 0]);
    const { connected, extended, server: timing } = policy.status;
    expect([connected, extended, timing!.totalMs >= 0]).toEqual([true, true, true]);
  });

  it('passes the reason of a refusal on', async () => {
    const { server, close } = await testServer(new CountingPolicy());
    cleanups.push(close);
    const { policy } = policyAt(server.port, { pretrainedNameOrPath: '/elsewhere' });
    await expect(policy.infer(observation(1))).rejects.toThrow('does not serve "/elsewhere"');
    await expect(policy.infer(observation(1))).rejects.toMatchObject({ code: 'SERVER_REFUSED' });
  });

  it('shakes hands again with a server that was restarted, by itself', async () => {
    const first = await testServer(new CountingPolicy());
    const { policy, events } = policyAt(first.server.port);
    await policy.infer(observation(1));
    await first.close();
    await expect(policy.infer(observation(2))).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    const second = await startAgain(() => testServer(new CountingPolicy(), { port: first.server.port }));
    cleanups.push(second.close);
    await expect
      .poll(
        () =>
          policy.infer(observation(3)).then(
            ({ timestep }) => timestep,
            () => 0,
          ),
        { timeout: 9000 },
      )
      .toBe(3);
    expect(policy.status.handshakes).toBe(2);
    expect(events.some((text) => text.includes('cannot be reached'))).toBe(true);
    expect(events.at(-1)).toContain('connected to Myelin');
  });

  it('finds out that the server is back without being asked, when it has a heartbeat', async () => {
    const first = await testServer(new CountingPolicy());
    const { policy } = policyAt(first.server.port, { heartbeatMs: 50 });
    await policy.connect();
    await first.close();
    await expect.poll(() => policy.status.connected, { timeout: 5000 }).toBe(false);
    const second = await startAgain(() => testServer(new CountingPolicy(), { port: first.server.port }));
    cleanups.push(second.close);
    await expect.poll(() => policy.status.connected, { timeout: 9000 }).toBe(true);
  });

  it('finds a server that comes later without being asked', async () => {
    const gone = await testServer(new CountingPolicy());
    await gone.close();
    const { policy, events } = policyAt(gone.server.port, { heartbeatMs: 50 });
    await expect(policy.connect()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    const late = await startAgain(() => testServer(new CountingPolicy(), { port: gone.server.port }));
    cleanups.push(late.close);
    await expect.poll(() => policy.status.connected, { timeout: 9000 }).toBe(true);
    expect(events.at(-1)).toContain('connected to Myelin');
  });

  it('says when there is no server at all', async () => {
    const { policy } = policyAt(9);
    await expect(policy.infer(observation(1))).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  });

  it('says once, in words that stay the same, that something else listens there', async () => {
    const engine = new Engine({ policies: new Map([['p', new EchoPolicy()]]) });
    const other = await startOpenpiServer(engine, { port: 0 });
    const silent = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    cleanups.push(
      () => engine.close(),
      () => other.close(),
      () => silent.close(),
    );
    for (const [port, words] of [
      [other.port, /speaks another protocol/],
      [(silent.address() as AddressInfo).port, /does not answer in time/],
    ] as const) {
      const { policy, events } = policyAt(port, { callMs: 300 });
      for (let i = 0; i < 3; i++)
        await expect(policy.connect()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
      expect(events).toHaveLength(1);
      expect(events[0]).toMatch(words);
      await policy.close();
    }
  });
});

describe('the policy behind a stock server', () => {
  it('shakes hands, sends the observation, and takes the actions', async () => {
    const { port, log } = await stockServer((seen) => chunkFor(seen.timestep));
    const { policy } = policyAt(port);
    const chunk = await policy.infer(observation(4));
    expect([chunk.timestep, chunk.rows, ...chunk.actions]).toEqual([4, 3, 0, 1, 2, 3, 4, 5]);
    expect(log).toEqual(['ready', 'p', 'observation 4']);
    expect(policy.status.extended).toBe(false);
  });

  it('is sent the same bytes with and without a chunk to continue', async () => {
    const { port, log, payloads } = await stockServer((seen) => chunkFor(seen.timestep));
    const { policy } = policyAt(port);
    await policy.infer(observation(4));
    await policy.infer(observation(4), {
      realTimeChunk: { previous: Float64Array.of(1, 2), rows: 1, delaySteps: 1, mode: 'guided' },
    });
    expect(policy.spec.realTime).toBeUndefined();
    expect(log).toEqual(['ready', 'p', 'observation 4', 'observation 4']);
    // But for the time of day.
    const [plain, asked] = payloads.map((payload) => {
      const bytes = Buffer.from(payload);
      const time = Buffer.alloc(8);
      time.writeDoubleBE(CODECS.pickle.readObservation(payload).timestampS);
      expect(bytes.indexOf(time)).toBeGreaterThan(0);
      return bytes.fill(0, bytes.indexOf(time), bytes.indexOf(time) + 8);
    });
    expect(asked).toEqual(plain);
  });

  it('drops answers to older observations', async () => {
    const { port } = await stockServer((seen) => chunkFor(seen.timestep === 9 ? 5 : seen.timestep));
    const { policy } = policyAt(port, { answerMs: 1500 });
    await expect(policy.infer(observation(9))).rejects.toMatchObject({
      code: expect.stringMatching(/DEADLINE|REFUSED/),
    });
    expect((await policy.infer(observation(10))).timestep).toBe(10);
  });

  it('sends again, then shakes hands again, then says so, when it is answered with nothing', async () => {
    const { port, log } = await stockServer(() => undefined);
    const { policy } = policyAt(port);
    await expect(policy.infer(observation(1))).rejects.toThrow('nothing, several times');
    expect(log).toEqual(['ready', 'p', 'observation 1', 'observation 1', 'ready', 'p', 'observation 1']);
  });

  it('works with a server process that has forgotten what to run', async () => {
    let told = 0;
    const { port } = await stockServer((seen) => (told++ < 2 ? undefined : chunkFor(seen.timestep)));
    const { policy } = policyAt(port);
    expect((await policy.infer(observation(1))).timestep).toBe(1);
    expect(policy.status.handshakes).toBe(2);
  });

  it('refuses actions that are not numbers, not for this robot, or out of order', async () => {
    const answers = [
      CODECS.pickle.writeActions({
        actions: Float32Array.of(1, Number.NaN),
        dof: 2,
        rows: [{ timestampS: 0, timestep: 1 }],
      }),
      chunkFor(2, 3),
      CODECS.pickle.writeActions({
        actions: new Float32Array(4),
        dof: 2,
        rows: [3, 5].map((timestep) => ({ timestampS: 0, timestep })),
      }),
      Buffer.from('cposix\nsystem\n(S"id"\ntR.'),
    ];
    const { port } = await stockServer(() => answers.shift());
    const { policy } = policyAt(port);
    await expect(policy.infer(observation(1))).rejects.toThrow('NaN as action number 1');
    await expect(policy.infer(observation(2))).rejects.toThrow('3 numbers a row for 2 joints');
    await expect(policy.infer(observation(3))).rejects.toThrow('out of order');
    await expect(policy.infer(observation(4))).rejects.toMatchObject({ code: 'PICKLE_FORBIDDEN' });
  });

  it('begins a new episode with Ready', async () => {
    const { port, log } = await stockServer((seen) => chunkFor(seen.timestep));
    const { policy } = policyAt(port);
    await policy.infer(observation(1));
    policy.reset();
    await policy.infer(observation(1));
    expect(log).toEqual(['ready', 'p', 'observation 1', 'ready', 'observation 1']);
  });
});
