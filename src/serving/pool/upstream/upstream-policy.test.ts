import { afterEach, describe, expect, it } from 'vitest';
import type { PolicySpec } from '../../../policies/policy.ts';
import { Engine } from '../../engine/engine.ts';
import { observationOf } from '../../engine/testing.ts';
import { startOpenpiServer } from '../../openpi/openpi-server.ts';
import { EchoPolicy } from '../../testing.ts';
import { openUpstreamPolicy, type UpstreamPolicyOptions } from './upstream-policy.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A real openpi server with a policy that echoes. */
async function serve(spec: Partial<PolicySpec> = {}, port = 0) {
  const policy = new EchoPolicy(spec);
  const engine = new Engine({ policies: new Map([['echo', policy]]) });
  const server = await startOpenpiServer(engine, { port });
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    await server.close();
    await engine.close();
  };
  closing.push(stop);
  return { policy, url: `ws://127.0.0.1:${server.port}`, port: server.port, stop };
}

async function open(urls: readonly string[], options: Partial<UpstreamPolicyOptions> = {}) {
  const events: string[] = [];
  const servers = urls.map((url) => ({ url }));
  const policy = await openUpstreamPolicy({
    servers,
    onEvent: (text) => events.push(text),
    healthMs: 50,
    ...options,
  });
  closing.push(() => policy.close());
  return { policy, events };
}

/** Something that opens when told. */
function gate() {
  let release: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { closed, release };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((done) => setTimeout(done, 5));
};

describe('upstream servers', () => {
  it('answer as one policy, each request at the one that is free', async () => {
    const [a, b] = await Promise.all([serve(), serve()]);
    const { policy } = await open([a.url, b.url]);
    expect(policy.parallelCalls).toBe(2);
    const held = gate();
    a.policy.gate = held.closed;
    b.policy.gate = held.closed;
    const both = [policy.infer(observationOf(1, [1, 2])), policy.infer(observationOf(2, [3, 4]))];
    await until(() => a.policy.seen.length + b.policy.seen.length === 2);
    expect(a.policy.seen).toHaveLength(1);
    // All are busy: the third waits for its turn, and is not sent twice.
    const third = policy.infer(observationOf(3, [5, 6]));
    held.release();
    const chunks = await Promise.all([...both, third]);
    expect(chunks.map(({ actions }) => [...actions.slice(0, 2)])).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(a.policy.seen.length + b.policy.seen.length).toBe(3);
  });

  it('stand in for one that goes away, and get it back when it is there again', async () => {
    const [a, b] = await Promise.all([serve(), serve()]);
    const { policy, events } = await open([a.url, b.url]);
    for (let step = 1; step <= 4; step++) await policy.infer(observationOf(step));
    await a.stop();
    for (let step = 5; step <= 8; step++) {
      const chunk = await policy.infer(observationOf(step));
      expect(chunk.timestep).toBe(step);
    }
    await until(() => events.some((text) => text.startsWith(`${a.url} is left alone`)));
    const again = await serve({}, a.port);
    for (let step = 9; again.policy.seen.length === 0; step++) {
      await policy.infer(observationOf(step));
      await new Promise((done) => setTimeout(done, 10));
    }
    expect(events.at(-1)).toBe(`${a.url} is back`);
  });

  it('use one that was not there at first', async () => {
    const a = await serve();
    const { port, url, stop } = await serve();
    await stop();
    const { policy } = await open([url, a.url]);
    expect(policy.status.map(({ well }) => well)).toEqual([false, true]);
    const late = await serve({}, port);
    for (let step = 1; late.policy.seen.length === 0; step++) {
      await policy.infer(observationOf(step));
      await new Promise((done) => setTimeout(done, 10));
    }
  });

  it('say who is down when none is there, at the start and later', async () => {
    const a = await serve();
    const { policy } = await open([a.url]);
    await a.stop();
    const failure = { code: 'SERVER_UNREACHABLE' };
    await expect(policy.infer(observationOf(1))).rejects.toMatchObject(failure);
    await expect(policy.infer(observationOf(2))).rejects.toMatchObject({
      code: 'UPSTREAMS_DOWN',
      message: expect.stringContaining(a.url),
    });
    await expect(open([a.url])).rejects.toMatchObject({ code: 'UPSTREAMS_DOWN' });
  });

  it('must serve the same policy', async () => {
    const [a, b] = await Promise.all([serve(), serve({ chunkRows: 9 })]);
    await expect(open([a.url, b.url])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('write subtasks, each at the one that is free, and act on them', async () => {
    const [a, b] = await Promise.all([serve({ subtasks: true }), serve({ subtasks: true })]);
    const { policy } = await open([a.url, b.url]);
    const asked = { maxDecodingSteps: 7, temperature: 0.25 };
    const subtask = await policy.generateSubtask?.(observationOf(1), asked);
    expect(subtask).toEqual({ text: 'step 1 of ', tokens: [7, 8, 1] });
    const seen = [...a.policy.subtasksSeen, ...b.policy.subtasksSeen];
    expect(seen.map(({ options }) => options)).toMatchObject([asked]);
    await a.stop();
    expect((await policy.generateSubtask?.(observationOf(2), asked))?.text).toMatch(/^step \d of/);
    await policy.infer(observationOf(3), { subtask: { text: 'grasp it' } });
    expect(b.policy.seen.at(-1)?.options.subtask?.text).toBe('grasp it');
  });

  it('are not asked for subtasks that they do not write', async () => {
    const [a, b] = await Promise.all([serve(), serve({ subtasks: true })]);
    expect((await open([a.url])).policy.generateSubtask).toBeUndefined();
    await expect(open([a.url, b.url])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('are not blamed for a bad observation', async () => {
    const a = await serve({ cameras: [{ name: 'wrist' }] });
    const { policy } = await open([a.url]);
    for (let i = 0; i < 5; i++)
      await expect(policy.infer(observationOf(i))).rejects.toMatchObject({ code: 'OBSERVATION_MISMATCH' });
    expect(policy.status).toEqual([{ url: a.url, well: true, inFlight: 0 }]);
  });

  it('leave the caller free when it gives up, and are not asked more meanwhile', async () => {
    const a = await serve();
    const { policy } = await open([a.url]);
    const held = gate();
    a.policy.gate = held.closed;
    const abort = new AbortController();
    const given = policy.infer(observationOf(1), { signal: abort.signal });
    await until(() => a.policy.seen.length === 1);
    abort.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    const next = policy.infer(observationOf(2));
    expect(policy.status[0]).toMatchObject({ inFlight: 1 });
    held.release();
    expect((await next).timestep).toBe(2);
    expect(a.policy.seen).toHaveLength(2);
  });

  it('refuses an address with a password in it', async () => {
    await expect(open(['ws://ann:secret@127.0.0.1:1'])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.not.stringContaining('secret'),
    });
  });
});
