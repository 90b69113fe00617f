import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Policy } from '../../policies/policy.ts';
import { Engine } from './engine.ts';
import { HandPolicy, observationOf, settle } from './testing.ts';

afterEach(() => vi.useRealTimers());

async function setUp(policy: Policy, clients: readonly string[] = ['one']) {
  const engine = new Engine({ policies: new Map([['p', policy]]), deadlineMs: 1000 });
  const loaded = await engine.open('p');
  return { engine, loaded, sessions: clients.map((client) => engine.session(loaded, client)) };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: { code?: string }) => error.code ?? String(error),
  );

describe('a session of the engine', () => {
  it('answers with the chunk and with how long it queued and computed', async () => {
    let nowMs = 0;
    const policy = new HandPolicy();
    const engine = new Engine({ policies: new Map([['p', policy]]), nowMs: () => nowMs });
    const session = engine.session(await engine.open(), 'one');
    const first = session.infer(observationOf(1));
    const second = session.infer(observationOf(2));
    nowMs = 30;
    policy.asked[0]!.answer(7);
    expect((await first).chunk.actions).toEqual(new Float64Array(4).fill(7));
    expect((await first).timing).toEqual({ queueMs: 0, modelMs: 30, totalMs: 30 });
    nowMs = 50;
    policy.asked[1]!.answer();
    expect((await second).timing).toEqual({ queueMs: 30, modelMs: 20, totalMs: 50 });
  });

  it('keeps one request waiting: a newer one replaces it, and the older one is told so', async () => {
    const policy = new HandPolicy();
    const { engine, sessions } = await setUp(policy);
    const answers = [1, 2, 3].map((step) => codeOf(sessions[0]!.infer(observationOf(step))));
    await settle();
    policy.asked[0]!.answer();
    await settle();
    expect(policy.asked.map(({ observation }) => observation.timestep)).toEqual([1, 3]);
    policy.asked[1]!.answer();
    expect(await Promise.all(answers)).toEqual(['answered', 'REQUEST_REPLACED', 'answered']);
    expect(engine.stats().policies[0]!.counts).toMatchObject({ requests: 3, answered: 2, replaced: 1 });
  });

  it('runs the model for one client at a time, and lets a replaced request keep its place in the line', async () => {
    const policy = new HandPolicy();
    const { sessions } = await setUp(policy, ['a', 'b', 'c']);
    const [a, b, c] = sessions;
    const answers = [a!.infer(observationOf(1)), b!.infer(observationOf(10)).catch(() => undefined)];
    answers.push(c!.infer(observationOf(100)), b!.infer(observationOf(11)));
    for (let i = 0; i < 3; i++) {
      await settle();
      policy.asked[i]!.answer();
    }
    await Promise.all(answers);
    expect(policy.asked.map(({ observation }) => observation.timestep)).toEqual([1, 11, 100]);
    expect(policy.overlap).toBe(1);
  });

  it('gives up at the deadline while waiting, without ever bothering the model', async () => {
    vi.useFakeTimers();
    const policy = new HandPolicy();
    const { engine, sessions } = await setUp(policy, ['a', 'b']);
    const first = codeOf(sessions[0]!.infer(observationOf(1), { deadlineMs: 60_000 }));
    const late = codeOf(sessions[1]!.infer(observationOf(2)));
    await vi.advanceTimersByTimeAsync(1001);
    expect(await late).toBe('DEADLINE_EXCEEDED');
    policy.asked[0]!.answer();
    expect(await first).toBe('answered');
    await settle();
    expect(policy.asked).toHaveLength(1);
    expect(engine.stats().policies[0]!.counts.expired).toBe(1);
  });

  it('gives up at the deadline while the model works, tells the model, and waits for it before the next', async () => {
    vi.useFakeTimers();
    const policy = new HandPolicy();
    const { sessions } = await setUp(policy);
    const slow = codeOf(sessions[0]!.infer(observationOf(1)));
    await vi.advanceTimersByTimeAsync(1001);
    expect(await slow).toBe('DEADLINE_EXCEEDED');
    expect(policy.asked[0]!.options.signal!.aborted).toBe(true);
    const next = codeOf(sessions[0]!.infer(observationOf(2)));
    await vi.advanceTimersByTimeAsync(1);
    expect(policy.asked).toHaveLength(1);
    policy.asked[0]!.answer();
    await vi.advanceTimersByTimeAsync(1);
    policy.asked[1]!.answer();
    expect(await next).toBe('answered');
    expect(policy.overlap).toBe(1);
  });

  it('can be cancelled by the caller, before and while the model works', async () => {
    const policy = new HandPolicy();
    const { sessions } = await setUp(policy);
    const signal = AbortSignal.abort(new Error('nobody waits'));
    expect(await codeOf(sessions[0]!.infer(observationOf(1), { signal }))).toBe('REQUEST_CANCELLED');
    const abort = new AbortController();
    const answer = codeOf(sessions[0]!.infer(observationOf(2), { signal: abort.signal }));
    await settle();
    abort.abort();
    expect(await answer).toBe('REQUEST_CANCELLED');
    expect(policy.asked[0]!.options.signal!.aborted).toBe(true);
  });

  it('passes a failure of the policy on, and works again afterwards', async () => {
    const policy = new HandPolicy();
    const { engine, sessions } = await setUp(policy);
    const bad = sessions[0]!.infer(observationOf(1));
    policy.asked[0]!.fail(new Error('out of memory'));
    await expect(bad).rejects.toThrow('out of memory');
    const good = sessions[0]!.infer(observationOf(1));
    await settle();
    policy.asked[1]!.answer();
    await good;
    expect(engine.stats().policies[0]!.counts).toMatchObject({ failed: 1, answered: 1 });
  });

  it('settles what is under way when it closes, and takes nothing afterwards', async () => {
    const { engine, sessions } = await setUp(new HandPolicy());
    const session = sessions[0]!;
    const open = [1, 2].map((step) => codeOf(session.infer(observationOf(step))));
    session.close();
    session.close();
    expect(await Promise.all(open)).toEqual(['SESSION_CLOSED', 'SESSION_CLOSED']);
    expect(await codeOf(session.infer(observationOf(3)))).toBe('SESSION_CLOSED');
    expect(engine.stats()).toMatchObject({ sessions: 0, policies: [{ sessions: 0 }] });
  });

  it('has a memory of its own where the policy can fork, so that one client never resets another', async () => {
    const policy = new HandPolicy();
    const forks: HandPolicy[] = [];
    const forking = Object.assign(policy, {
      fork: () => {
        forks.push(new HandPolicy());
        return forks.at(-1)!;
      },
    });
    const { sessions } = await setUp(forking, ['a', 'b']);
    sessions[0]!.reset();
    await settle();
    expect([policy.resets, ...forks.map(({ resets }) => resets)]).toEqual([0, 1, 0]);
    sessions[0]!.close();
    expect([policy.closed, ...forks.map(({ closed }) => closed)]).toEqual([false, true, false]);
  });

  it('leaves a memory that all share alone while others are there', async () => {
    const policy = new HandPolicy();
    const { sessions } = await setUp(policy, ['a', 'b']);
    sessions[0]!.reset();
    expect(policy.resets).toBe(0);
    sessions[1]!.close();
    sessions[0]!.reset();
    expect(policy.resets).toBe(1);
  });

  it('says that a policy without a language head writes no subtasks', async () => {
    const { sessions } = await setUp(new HandPolicy());
    const options = { maxDecodingSteps: 5, temperature: 0 };
    expect(await codeOf(sessions[0]!.generateSubtask(observationOf(1), options))).toBe(
      'SUBTASKS_UNSUPPORTED',
    );
  });
});
