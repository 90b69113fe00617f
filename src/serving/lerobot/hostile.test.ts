import { afterEach, describe, expect, it } from 'vitest';
import { CODECS } from './codec.ts';
import { damaged, soundMessages } from './hostile.ts';
import { GADGET_PICKLES, NAMED_GADGETS } from './hostile-gadgets.ts';
import { EXPENSIVE, HIDDEN_NAMES, POLLUTING } from './hostile-tricks.ts';
import { ASYNC_INFERENCE, MYELIN_INFERENCE } from './service.ts';
import { CountingPolicy, testServer } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const READERS = Object.values(CODECS).flatMap((codec) => [
  codec.readObservation,
  codec.readPolicyConfig,
  codec.readActions,
]);
const { readObservation, readPolicyConfig, readActions } = CODECS.pickle;
const PICKLE_READERS = [readObservation, readPolicyConfig, readActions];
const failure = (read: () => unknown): { code?: string; message: string } | undefined => {
  try {
    read();
    return undefined;
  } catch (thrown) {
    return thrown as { code?: string; message: string };
  }
};
const codeOf = (read: () => unknown): string => {
  const error = failure(read);
  return error === undefined ? 'read' : (error.code ?? String(error));
};
const REFUSALS = ['PICKLE_FORBIDDEN', 'PICKLE_INVALID', 'MESSAGE_INVALID'];

/** Numbers from a seed, so that a failure can be had again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a hostile pickle', () => {
  it('that calls or mentions a name of the public lists is refused, in every form, by that name', () => {
    expect(NAMED_GADGETS.length).toBeGreaterThan(1500);
    for (const { name, bytes } of NAMED_GADGETS) {
      const error = failure(() => CODECS.pickle.readObservation(bytes));
      expect([name, error?.code]).toEqual([name, 'PICKLE_FORBIDDEN']);
      expect(error?.message).toContain(name.slice(0, name.indexOf(' by ')));
    }
  });

  it.each(HIDDEN_NAMES)('is refused by the name it hides: $name', ({ bytes }) => {
    for (const read of PICKLE_READERS) expect(codeOf(() => read(bytes))).toBe('PICKLE_FORBIDDEN');
  });

  it.each(EXPENSIVE)('is refused at little cost: $name', ({ bytes }) => {
    for (const read of READERS) expect(REFUSALS).toContain(codeOf(() => read(bytes)));
  });

  it.each(POLLUTING)('changes nothing here: $name', ({ bytes }) => {
    for (const read of READERS) expect(['read', ...REFUSALS]).toContain(codeOf(() => read(bytes)));
    for (const key of ['polluted', '__class__', '__dict__', '__reduce__', '__setstate__', '__getattr__'])
      expect(key in {} || key in Object || key in Map.prototype).toBe(false);
  });
});

describe('hostile messages', () => {
  it('that are sound ones damaged in any way are read or refused, never anything else', () => {
    const random = seeded(1);
    const sound = soundMessages();
    const outcomes = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const bytes = damaged(sound[i % sound.length]!, random);
      for (const read of READERS) outcomes.add(codeOf(() => read(bytes)));
    }
    expect([...outcomes].sort()).toEqual([...REFUSALS, 'read'].sort());
  }, 120_000);

  it('are each answered by the server, which goes on serving', async () => {
    const { connect, close, engine } = await testServer(new CountingPolicy());
    cleanups.push(close);
    const client = connect();
    await client.ready();
    await client.instruct();
    const random = seeded(2);
    const sound = soundMessages();
    const hostile = [
      ...GADGET_PICKLES.filter((_, i) => i % 61 === 0),
      ...[...EXPENSIVE, ...HIDDEN_NAMES].map(({ bytes }) => bytes),
      ...Array.from({ length: 50 }, (_, i) => damaged(sound[i % sound.length]!, random)),
    ].filter(({ length }) => length > 0);
    const { connection } = client;
    const limits = { deadlineMs: 20_000 };
    const answers = new Map<string, number>();
    for (const bytes of hostile) {
      const calls = [
        () => client.upload(bytes),
        () => client.upload(bytes, Math.max(50, Math.ceil(bytes.length / 20))),
        () =>
          connection.call(
            MYELIN_INFERENCE.infer,
            { observation: bytes, options: bytes, previous: bytes, noise: bytes },
            limits,
          ),
      ];
      for (const call of calls) {
        const answer = await call().then(
          () => 'taken',
          (error: { code: string }) => error.code,
        );
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    }
    for (const bytes of GADGET_PICKLES.slice(0, 30))
      await expect(connect().raw(bytes)).rejects.toMatchObject({ code: 'SERVER_REFUSED' });
    // Every one was answered: with a reason, or taken for what it still was.
    for (const answer of answers.keys()) expect(['SERVER_REFUSED', 'taken']).toContain(answer);
    expect(answers.get('SERVER_REFUSED')).toBeGreaterThan(100);
    await client.instruct();
    await client.send(1, [1, 2], { mustGo: true });
    let chunk = await client.actions();
    while (chunk !== undefined && chunk.rows[0]!.timestep !== 1) chunk = await client.actions();
    expect(chunk?.rows).toHaveLength(20);
    expect(engine.stats().sessions).toBeGreaterThan(0);
  }, 120_000);

  it('that are no protocol buffers at all are answered, and the connection lives on', async () => {
    const { connect, close } = await testServer(new CountingPolicy());
    cleanups.push(close);
    const client = connect();
    await client.ready();
    const random = seeded(3);
    for (let i = 0; i < 100; i++) {
      const junk = Buffer.from(Array.from({ length: 40 }, () => Math.floor(random() * 256)));
      const raw = { ...ASYNC_INFERENCE.sendPolicyInstructions, requestSerialize: () => junk };
      await expect(client.connection.call(raw, junk, { deadlineMs: 5000 })).rejects.toMatchObject({
        code: 'SERVER_REFUSED',
      });
    }
    await client.instruct();
  });
});
