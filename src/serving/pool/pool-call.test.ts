import { describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import { settle } from '../engine/testing.ts';
import type { PoolAnswer } from './messages.ts';
import { type CallHost, type CallOptions, PoolCall } from './pool-call.ts';
import type { Outcome } from './pool-link.ts';

const timing = { queue_ms: 0, model_ms: 0, total_ms: 0 };
const answerOf = (worker: string): PoolAnswer => ({
  kind: 'subtask',
  id: 'the-request',
  worker,
  text: worker,
  tokens: [],
  timing,
});

/** Workers by hand: `workers` are pinned to in their order, the next each time one is released. */
function setUp(workers: string[], standIn: string | undefined, options: Partial<CallOptions> = {}) {
  const sent: string[] = [];
  const cancelled: string[] = [];
  const released: string[] = [];
  const hearing = new Map<string, (outcome: Outcome) => void>();
  const host: CallHost = {
    pin: async () => {
      const [first] = workers;
      if (first === undefined)
        throw new MyelinError('POOL_NO_WORKER', { pool: 'p', model: 'm', workers: 0, served: '' });
      return first;
    },
    standIn: async () => standIn,
    release: (worker) => {
      released.push(worker);
      workers.splice(workers.indexOf(worker), 1);
    },
    send: (worker, _, __, hear) => {
      sent.push(worker);
      hearing.set(worker, hear);
      return () => hearing.delete(worker);
    },
    cancel: (worker) => cancelled.push(worker),
    unreachable: () => undefined,
  };
  const call = new PoolCall(host, { deadlineMs: 5000, ...options });
  const say = (worker: string, outcome: Outcome) => hearing.get(worker)?.(outcome);
  return { call, sent, cancelled, released, say, hearing };
}

const failed = (code: 'MODEL_FAILED' | 'OBSERVATION_MISMATCH' | 'POOL_WORKER_BUSY') =>
  new MyelinError(code, { action: '', reason: 'r', needed: '', found: '', advice: '', worker: 'w' });

describe('a request through the pool', () => {
  it('goes to the pinned worker and ends with its answer', async () => {
    const { call, sent, say, hearing } = setUp(['a'], 'b');
    await settle();
    say('a', answerOf('a'));
    expect((await call.result).answer).toEqual(answerOf('a'));
    expect(sent).toEqual(['a']);
    expect(hearing.size).toBe(0);
  });

  it('goes to the next worker when nobody listens at the first, or it takes no more', async () => {
    const { call, sent, released, say } = setUp(['a', 'b', 'c'], undefined);
    await settle();
    say('a', 'nobody');
    await settle();
    say('b', failed('POOL_WORKER_BUSY'));
    await settle();
    say('c', answerOf('c'));
    expect((await call.result).answer).toEqual(answerOf('c'));
    expect(sent).toEqual(['a', 'b', 'c']);
    expect(released).toEqual(['a', 'b']);
  });

  it('asks a second worker after a while, takes the first answer, and stops the other', async () => {
    const { call, sent, cancelled, say } = setUp(['a'], 'b', { hedgeMs: 1 });
    while (sent.length < 2) await new Promise((done) => setTimeout(done, 1));
    say('b', answerOf('b'));
    expect(await call.result).toMatchObject({ answer: answerOf('b'), byStandIn: true });
    expect(cancelled).toEqual(['a']);
    say('a', answerOf('a'));
    expect((await call.result).answer).toEqual(answerOf('b'));
  });

  it('waits for the first worker when the second one fails', async () => {
    const { call, sent, say } = setUp(['a'], 'b', { hedgeMs: 1 });
    while (sent.length < 2) await new Promise((done) => setTimeout(done, 1));
    say('b', failed('MODEL_FAILED'));
    await settle();
    say('a', answerOf('a'));
    expect(await call.result).toMatchObject({ byStandIn: false });
  });

  it('tries a model that failed once more elsewhere, and no other failure', async () => {
    const broken = setUp(['a'], 'b');
    await settle();
    broken.say('a', failed('MODEL_FAILED'));
    await settle();
    expect(broken.sent).toEqual(['a', 'b']);
    broken.say('b', failed('MODEL_FAILED'));
    await expect(broken.call.result).rejects.toMatchObject({ code: 'MODEL_FAILED' });
    const wrong = setUp(['a'], 'b');
    await settle();
    wrong.say('a', failed('OBSERVATION_MISMATCH'));
    await expect(wrong.call.result).rejects.toMatchObject({ code: 'OBSERVATION_MISMATCH' });
    expect(wrong.sent).toEqual(['a']);
  });

  it('asks the same worker again when the connection was lost', async () => {
    const { call, sent, say } = setUp(['a'], 'b');
    await settle();
    call.askAgain();
    expect(sent).toEqual(['a', 'a']);
    say('a', answerOf('a'));
    await call.result;
  });

  it('looks for a worker until the deadline, and says that there is none', async () => {
    await expect(setUp([], undefined, { deadlineMs: 30 }).call.result).rejects.toMatchObject({
      code: 'POOL_NO_WORKER',
    });
  });

  it('ends at the deadline and when the caller gives up, and stops the work', async () => {
    const late = setUp(['a'], undefined, { deadlineMs: 10 });
    await expect(late.call.result).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(late.cancelled).toEqual(['a']);
    const abort = new AbortController();
    const given = setUp(['a'], undefined, { signal: abort.signal });
    await settle();
    abort.abort(new Error('enough'));
    await expect(given.call.result).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    expect(given.cancelled).toEqual(['a']);
  });
});
