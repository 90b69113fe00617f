import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MyelinError } from '../src/core/errors.ts';
import type { Observation } from '../src/core/observation.ts';
import { openOpenpiPolicy } from '../src/serving/openpi/open-openpi-policy.ts';
import { openPoolPolicy, type PoolPolicy, type PoolPolicyOptions } from '../src/serving/pool/pool-policy.ts';
import { type NatsServer, noNatsServer, startNatsServer } from './support/nats-server.ts';
import { myelin, type Started, start, until } from './support/processes.ts';

/** Workers as processes, a real NATS server, robots in this process. */

interface Worker extends Started {
  readonly id: string;
}

let nats: NatsServer;
const policies: PoolPolicy[] = [];
beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await Promise.all(policies.splice(0).map((policy) => policy.close()));
});

async function startWorker(tag: number, options: Record<string, unknown> = {}): Promise<Worker> {
  const settings = JSON.stringify({ url: nats.url, tag, reportMs: 100, leaseMs: 2000, ...options });
  const started = start([process.execPath, 'test/support/pool-worker-child.mjs', settings]);
  const said = await started.says(/serving as [\w-]+/);
  return Object.assign(started, { id: said.replace('serving as ', '') });
}

async function robot(options: Partial<PoolPolicyOptions> = {}): Promise<PoolPolicy> {
  const policy = await openPoolPolicy({ url: nats.url, deadlineMs: 8000, ...options });
  policies.push(policy);
  return policy;
}

const observationOf = (timestep: number, rgb?: Uint8Array, width = 0): Observation => ({
  timestep,
  timestampNs: performance.now() * 1e6,
  state: Float64Array.of(timestep, -timestep),
  velocity: new Float64Array(2),
  cameras:
    rgb === undefined
      ? new Map()
      : new Map([
          [
            'wrist',
            { name: 'wrist', width, height: rgb.length / 3 / width, rgb, capturedNs: 0, sequence: timestep },
          ],
        ]),
  task: 'pick up the cube',
});

/** Asks once; the answer must be the observation's own. @returns the tag of the worker that answered */
async function ask(policy: PoolPolicy, timestep: number): Promise<number> {
  const chunk = await policy.infer(observationOf(timestep));
  expect([...chunk.actions.slice(0, 2)]).toEqual([timestep, -timestep]);
  expect(chunk.timestep).toBe(timestep);
  return chunk.actions[2]!;
}

/** Asks without a pause until told to stop, counting what each worker answered. */
function load(policy: PoolPolicy) {
  const answered = new Map<number, number>();
  let asked = 0;
  let running = true;
  const done = (async () => {
    while (running) {
      asked += 1;
      const tag = await ask(policy, asked);
      answered.set(tag, (answered.get(tag) ?? 0) + 1);
    }
  })();
  return {
    by: (tag: number) => answered.get(tag) ?? 0,
    stop: async () => {
      running = false;
      await done;
      return { asked, answered: [...answered.values()].reduce((a, b) => a + b, 0) };
    },
  };
}

const failing = (code: string) => expect.objectContaining({ code });

describe.skipIf(noNatsServer !== undefined)(`the pool${noNatsServer ? ` (${noNatsServer})` : ''}`, () => {
  it('spreads robots over the workers, and keeps each at its own', async () => {
    await Promise.all([startWorker(1), startWorker(2)]);
    const first = await robot();
    const robots = [first, first.fork(), first.fork(), first.fork()];
    const tags: number[] = [];
    for (const each of robots) tags.push(await ask(each, 1));
    // Two each, unless a report of load came late: then three and one.
    expect(new Set(tags)).toEqual(new Set([1, 2]));
    for (let step = 2; step < 20; step++)
      expect(await Promise.all(robots.map((each) => ask(each, step)))).toEqual(tags);
  });

  it('pins a robot to another worker when its own is killed under load, and answers every request once', async () => {
    const workers = await Promise.all([startWorker(1, { delayMs: 2 }), startWorker(2, { delayMs: 2 })]);
    const policy = await robot({ hedgeMs: 0 });
    const tag = await ask(policy, 0);
    const own = workers.find(({ id }) => id === policy.pinned.worker)!;
    const running = load(policy);
    await until('the pinned worker answers', () => running.by(tag) > 20);
    own.child.kill('SIGKILL');
    await until('the other worker answers', () => running.by(3 - tag) > 20);
    const { asked, answered } = await running.stop();
    expect(answered).toBe(asked);
    expect(policy.pinned).toEqual({ worker: workers.find((each) => each !== own)!.id, repins: 1 });
  });

  it('pins anew when the heartbeats of a frozen worker stop, and drops what it answers later', async () => {
    const workers = await Promise.all([startWorker(1, { delayMs: 2 }), startWorker(2, { delayMs: 2 })]);
    const policy = await robot({ hedgeMs: 0 });
    const tag = await ask(policy, 0);
    const own = workers.find(({ id }) => id === policy.pinned.worker)!;
    const running = load(policy);
    own.child.kill('SIGSTOP');
    await until('the other worker answers', () => running.by(3 - tag) > 20);
    const before = running.by(tag);
    own.child.kill('SIGCONT');
    const also = running.by(3 - tag);
    await until('more answers came', () => running.by(3 - tag) > also + 50);
    expect(running.by(tag)).toBe(before);
    const { asked, answered } = await running.stop();
    expect(answered).toBe(asked);
  });

  it('hands robots over when a worker is stopped, without a request that fails', async () => {
    const workers = await Promise.all([startWorker(1, { delayMs: 5 }), startWorker(2, { delayMs: 5 })]);
    const policy = await robot();
    const tag = await ask(policy, 0);
    const own = workers.find(({ id }) => id === policy.pinned.worker)!;
    const running = load(policy);
    await until('the pinned worker answers', () => running.by(tag) > 5);
    own.child.kill('SIGINT');
    expect(await own.exited).toBe(0);
    expect(own.output()).toContain('left with 0 robots');
    await until('the other worker answers', () => running.by(3 - tag) > 5);
    const { asked, answered } = await running.stop();
    expect(answered).toBe(asked);
  });

  it('goes on by itself when the NATS server was restarted', async () => {
    await startWorker(1, { delayMs: 2 });
    const policy = await robot();
    const running = load(policy);
    await until('the worker answers', () => running.by(1) > 20);
    await nats.restart();
    const before = running.by(1);
    await until('the worker answers again', () => running.by(1) > before + 50);
    const { asked, answered } = await running.stop();
    expect(answered).toBe(asked);
  });

  it('says that the pool is unreachable while the NATS server is gone', async () => {
    await startWorker(1);
    const policy = await robot({ deadlineMs: 300 });
    await ask(policy, 1);
    await nats.kill();
    await expect(ask(policy, 2)).rejects.toEqual(failing('POOL_UNREACHABLE'));
    await nats.restart();
    for (let step = 3; ; step++) {
      const tag = await ask(policy, step).catch((thrown: MyelinError) => thrown.code);
      if (tag === 1) break;
      expect(['POOL_UNREACHABLE', 'POOL_NO_WORKER', 'DEADLINE_EXCEEDED']).toContain(tag);
    }
  });

  it('carries observations larger than a NATS message, as they are and as JPEG', async () => {
    await startWorker(1);
    const width = 1280;
    const rgb = Uint8Array.from({ length: 3 * width * 960 }, (_, i) => (i >> 10) % 200);
    const sum = rgb.reduce((a, b) => a + b, 0);
    const plain = await robot();
    expect((await plain.infer(observationOf(1, rgb, width))).actions[3]).toBe(sum);
    const small = await robot({ jpegQuality: 80 });
    const about = (await small.infer(observationOf(1, rgb, width))).actions[3]!;
    expect(Math.abs(about - sum) / sum).toBeLessThan(0.05);
  });

  it('refuses an observation larger than a worker reads, and goes on', async () => {
    await startWorker(1, { maxMessageBytes: 100_000 });
    const policy = await robot();
    const large = observationOf(1, new Uint8Array(3 * 200 * 200), 200);
    await expect(policy.infer(large)).rejects.toEqual(failing('MESSAGE_INVALID'));
    expect(await ask(policy, 2)).toBe(1);
  });

  it('asks a second worker when the first is slow, takes the first answer, and moves when that goes on', async () => {
    const slow = await startWorker(1, { delayMs: 600 });
    const policy = await robot({ hedgeMs: 30 });
    expect(policy.pinned.worker).toBe(slow.id);
    await startWorker(2);
    expect(await ask(policy, 1)).toBe(2);
    expect(policy.pinned.worker).toBe(slow.id);
    for (let step = 2; policy.pinned.repins === 0; step++) expect(await ask(policy, step)).toBe(2);
    expect(await ask(policy, 100)).toBe(2);
    slow.child.kill('SIGINT');
    await slow.exited;
    // Work that lost the race was stopped, not done in vain.
    expect(slow.output()).toMatch(/left with 0 robots/);
  });

  it('tells what the pool serves when a model is asked for that nobody has, or none of several', async () => {
    await expect(robot()).rejects.toEqual(failing('POOL_NO_WORKER'));
    await startWorker(1, { models: ['act', 'pi05'] });
    const other = robot({ model: 'smolvla' });
    await expect(other).rejects.toEqual(failing('POOL_NO_WORKER'));
    await expect(other).rejects.toMatchObject({ hint: expect.stringContaining('act, pi05') });
    await expect(robot()).rejects.toEqual(failing('INVALID_ARGUMENT'));
    expect(await ask(await robot({ model: 'pi05' }), 1)).toBe(1);
  });

  it('lets a robot do without its lease: silent for long, it finds its session opened anew', async () => {
    const worker = await startWorker(1, { leaseMs: 400 });
    const policy = await robot();
    await ask(policy, 1);
    await nats.kill();
    await worker.says(/is lost/);
    await new Promise((done) => setTimeout(done, 1000));
    await nats.restart();
    await worker.says(/is back/);
    expect(await ask(policy, 2)).toBe(1);
  });

  it('answers messages that are none with a refusal, and serves on', async () => {
    const worker = await startWorker(1, { drainMs: 200 });
    const policy = await robot();
    const { connect } = await import('@nats-io/transport-node');
    const stranger = await connect({ servers: nats.url });
    const subjects = [`myelin.pool.v1.default.to.${worker.id}`, 'myelin.pool.v1.default.admit'];
    const noise = [new Uint8Array(), new Uint8Array(30), new TextEncoder().encode('{"kind":"infer"}')];
    for (const subject of subjects) {
      for (const bytes of noise) {
        const { data } = await stranger.request(subject, bytes, { timeout: 2000 });
        expect(Buffer.from(data).toString('latin1')).toContain('MESSAGE_INVALID');
      }
    }
    for (const bytes of noise) stranger.publish(`myelin.pool.v1.default.load.${worker.id}`, bytes);
    await stranger.flush();
    await stranger.close();
    expect(await ask(policy, 1)).toBe(1);
    worker.child.kill('SIGINT');
    await worker.exited;
    expect(worker.output()).toMatch(/, 9 malformed messages/);
  });

  it('says that credentials are refused, and shows none', async () => {
    const guarded = await startNatsServer('authorization { user: ann, password: correct-horse }');
    const at = (credentials: string) => `nats://${credentials}@127.0.0.1:${guarded.port}`;
    const refused = await openPoolPolicy({ url: at('ann:wrong-horse') }).catch(
      (thrown: MyelinError) => thrown,
    );
    expect(refused).toMatchObject({ code: 'POOL_REFUSED' });
    expect(JSON.stringify(refused)).not.toContain('wrong-horse');
    expect((refused as MyelinError).message).not.toContain('wrong-horse');
    const worker = await startWorker(1, { url: at('ann:correct-horse') });
    expect(await ask(await robot({ url: at('ann:correct-horse') }), 1)).toBe(1);
    await guarded.restart();
    await worker.says(/is back/);
    expect(worker.output()).not.toContain('correct-horse');
  });
});

describe.skipIf(noNatsServer !== undefined)('myelin policy-server', () => {
  const server = (...args: string[]): Started => myelin(['policy-server', '--no-lerobot', ...args]);
  const openpiPort = async (started: Started): Promise<number> =>
    Number((await started.says(/openpi \(WebSocket\) at 127\.0\.0\.1:\d+/)).split(':')[1]);

  it('joins a pool, serves clients of another protocol from it, and leaves at a Ctrl-C', async () => {
    const guarded = await startNatsServer('authorization { user: ann, password: correct-horse }');
    const pool = ['--pool', `nats://ann:correct-horse@127.0.0.1:${guarded.port}`];
    const worker = server('--policy', 'noop', ...pool, '--pool-model', 'still');
    await worker.says(/joined .* with still/);
    const front = server('--front', ...pool, '--openpi-port', '0');
    const url = `ws://127.0.0.1:${await openpiPort(front)}`;
    await front.says(/ready/);
    const policy = await openOpenpiPolicy({ url });
    const chunk = await policy.infer({ ...observationOf(1), state: new Float64Array(7).fill(0.5) });
    expect(chunk).toMatchObject({ rows: 50, dof: 7 });
    expect(chunk.actions.every((value) => value === 0.5)).toBe(true);
    await policy.close();
    for (const each of [front, worker]) {
      each.child.kill('SIGINT');
      expect(await each.exited).toBe(0);
      expect(each.output()).not.toContain('correct-horse');
    }
  });

  it('waits for the first worker of a pool, and for nothing once it is told to stop', async () => {
    const pool = ['--pool', nats.url];
    const front = server('--front', ...pool, '--openpi-port', '0');
    const stopped = server('--front', ...pool, '--pool-model', 'other');
    await Promise.all([front, stopped].map((each) => each.says(/No worker .* waiting for one/)));
    const worker = server('--policy', 'noop', ...pool);
    await worker.says(/joined/);
    await front.says(/ready/);
    expect(await openpiPort(front)).toBeGreaterThan(0);
    stopped.child.kill('SIGINT');
    expect(await stopped.exited).toBe(0);
  });

  it('serves what upstream servers serve, and goes on with one of them', async () => {
    const upstreams = [1, 2].map(() => server('--policy', 'noop', '--openpi-port', '0'));
    const ports = await Promise.all(upstreams.map(openpiPort));
    await Promise.all(upstreams.map((each) => each.says(/ready/)));
    const given = ports.flatMap((port) => ['--upstream', `ws://127.0.0.1:${port}`]);
    const front = server(...given, '--openpi-port', '0');
    const url = `ws://127.0.0.1:${await openpiPort(front)}`;
    await front.says(/ready/);
    const policy = await openOpenpiPolicy({ url });
    const infer = () => policy.infer({ ...observationOf(1), state: new Float64Array(7) });
    for (let i = 0; i < 4; i++) expect((await infer()).rows).toBe(50);
    upstreams[0]!.child.kill('SIGKILL');
    for (let i = 0; i < 20; i++) expect((await infer()).rows).toBe(50);
    await policy.close();
  });

  it('says what is wrong with a pool that is not there, and with flags that do not fit', async () => {
    const lost = server('--policy', 'noop', '--pool', 'nats://ann:secret@127.0.0.1:1');
    expect(await lost.exited).toBe(1);
    expect(lost.output()).toMatch(/The pool at nats:\/\/127\.0\.0\.1:1 cannot be reached/);
    expect(lost.output()).not.toContain('secret');
    const bare = server('--front');
    expect(await bare.exited).toBe(2);
    expect(bare.output()).toContain('--front wants --pool');
  });
});
