import { describe, expect, it } from 'vitest';
import { Engine } from '../engine/engine.ts';
import { HandPolicy, settle } from '../engine/testing.ts';
import { WorkerSession } from './worker-session.ts';

async function setUp() {
  const engine = new Engine({ policies: new Map([['hand', new HandPolicy()]]) });
  const session = new WorkerSession('hand', engine.session(await engine.open('hand'), 'robot'), 1000);
  const sent: [string | undefined, number][] = [];
  const work: { done: (value: number) => void; signal: AbortSignal }[] = [];
  const ask = (id: string, reply: string) =>
    session.exchange(
      id,
      reply,
      (signal) =>
        new Promise((resolve) => work.push({ done: (value) => resolve(Uint8Array.of(value)), signal })),
      (place, [value = -1]) => sent.push([place, value]),
    );
  return { session, sent, work, ask };
}

describe('the session of a robot at its worker', () => {
  it('does the work of a request once, however often it comes, and answers where it was last asked', async () => {
    const { sent, work, ask } = await setUp();
    const first = ask('request-1', 'here');
    await ask('request-1', 'there');
    expect(work).toHaveLength(1);
    work[0]!.done(7);
    await first;
    expect(sent).toEqual([['there', 7]]);
    await ask('request-1', 'again');
    expect(work).toHaveLength(1);
    expect(sent.at(-1)).toEqual(['again', 7]);
  });

  it('keeps only the newest answers', async () => {
    const { session, work, ask } = await setUp();
    for (let i = 0; i < 20; i++) {
      const asked = ask(`request-${i}`, 'here');
      work[i]!.done(i);
      await asked;
    }
    expect(session.open).toBe(0);
    void ask('request-0', 'here');
    expect(work).toHaveLength(21);
  });

  it('refuses a robot that sends without listening', async () => {
    const { ask } = await setUp();
    for (let i = 0; i < 16; i++) void ask(`request-${i}`, 'here');
    await expect(ask('one too many', 'here')).rejects.toMatchObject({ code: 'POOL_WORKER_BUSY' });
  });

  it('stops the work that is cancelled', async () => {
    const { session, work, ask } = await setUp();
    void ask('request-1', 'here');
    session.cancel('request-1');
    session.cancel('unknown');
    expect(work[0]!.signal.aborted).toBe(true);
  });

  it('is over when its lease ran out, or it was given up, and everything is answered', async () => {
    const { session, work, ask } = await setUp();
    expect([session.over(1000), session.over(1001)]).toEqual([false, true]);
    session.renew(2000);
    expect(session.over(1001)).toBe(false);
    void ask('request-1', 'here');
    session.giveUp();
    expect(session.over(0)).toBe(false);
    work[0]!.done(1);
    await settle();
    expect(session.over(0)).toBe(true);
    session.renew(2000);
    expect(session.over(0)).toBe(false);
  });
});
