import { describe, expect, it } from 'vitest';
import type { Observation } from '../../core/observation.ts';
import { EchoPolicy } from '../testing.ts';
import { Engine } from './engine.ts';
import { observationOf, settle } from './testing.ts';

/** A policy that looks back; each client has a memory of its own when it forks. */
class LookingBack extends EchoPolicy {
  readonly forks: EchoPolicy[] = [];
  fork?: () => EchoPolicy;

  constructor({ forks = true } = {}) {
    super({}, { looksBack: true });
    if (!forks) return;
    this.fork = () => {
      const fork = new EchoPolicy({}, { looksBack: true });
      this.forks.push(fork);
      return fork;
    };
  }
}

async function setUp(policy: LookingBack, clients = 1) {
  const engine = new Engine({ policies: new Map([['p', policy]]) });
  const loaded = await engine.open('p');
  const sessions = Array.from({ length: clients }, (_, i) => engine.session(loaded, `client ${i}`));
  return { engine, sessions, session: sessions[0]! };
}

const at = (timestep: number): Observation => observationOf(timestep, [timestep, 0]);

describe('a policy that looks back, in a session', () => {
  it('sees what was shown between two inferences, in the order of steps, right before the later one', async () => {
    const policy = new LookingBack();
    const { session } = await setUp(policy);
    await session.infer(at(1));
    for (const step of [3, 2, 4]) session.observe(at(step));
    expect(policy.forks[0]!.timesteps).toEqual([1]);
    await session.infer(at(5));
    expect(policy.forks[0]!.timesteps).toEqual([1, 2, 3, 4, 5]);
  });

  it('never sees a step twice, late or too early: that would begin its memory anew', async () => {
    const policy = new LookingBack();
    const { session } = await setUp(policy);
    await session.infer(at(5));
    for (const step of [4, 5, 6, 7, 9]) session.observe(at(step));
    await session.infer(at(7));
    expect(policy.forks[0]!.timesteps).toEqual([5, 6, 7]);
    await session.infer(at(10));
    expect(policy.forks[0]!.timesteps).toEqual([5, 6, 7, 9, 10]);
  });

  it('keeps only the newest few when nobody asks for actions', async () => {
    const policy = new LookingBack();
    const { session } = await setUp(policy);
    for (let step = 1; step <= 1000; step++) session.observe(at(step));
    await session.infer(at(2000));
    expect(policy.forks[0]!.timesteps).toEqual([997, 998, 999, 1000, 2000]);
  });

  it('forgets what was shown when another episode begins, and when the session ends', async () => {
    const policy = new LookingBack();
    const { session } = await setUp(policy);
    await session.infer(at(50));
    session.observe(at(51));
    session.reset();
    session.observe(at(1));
    await session.infer(at(2));
    expect(policy.forks[0]!.timesteps).toEqual([50, 1, 2]);
    session.close();
    session.observe(at(3));
    await settle();
    expect(policy.forks[0]!.timesteps).toEqual([50, 1, 2]);
  });

  it('sees only what its own client shows', async () => {
    const policy = new LookingBack();
    const { sessions } = await setUp(policy, 2);
    sessions[0]!.observe(at(1));
    await Promise.all(sessions.map((session) => session.infer(at(2))));
    expect(policy.forks.map(({ timesteps }) => timesteps)).toEqual([[1, 2], [2]]);
  });

  it('is shown nothing where several clients share one memory', async () => {
    const policy = new LookingBack({ forks: false });
    const { sessions } = await setUp(policy, 2);
    expect(sessions.map(({ looksBack }) => looksBack)).toEqual([false, false]);
    sessions[0]!.observe(at(1));
    await sessions[1]!.infer(at(2));
    sessions[1]!.close();
    expect(sessions[0]!.looksBack).toBe(true);
    sessions[0]!.observe(at(3));
    await sessions[0]!.infer(at(4));
    expect(policy.timesteps).toEqual([2, 3, 4]);
  });

  it('answers although an observation it is shown does not fit', async () => {
    const policy = new LookingBack({ forks: false });
    policy.observe = () => {
      throw new Error('no such camera');
    };
    const { session } = await setUp(policy);
    session.observe(at(1));
    expect((await session.infer(at(2))).chunk.timestep).toBe(2);
  });
});
