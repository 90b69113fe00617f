import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { World } from './world.ts';
import { answer } from './world-control.ts';
import { replySchema } from './world-messages.ts';

const world = await World.create();
afterAll(() => world.close());

const ask = (request: unknown) =>
  replySchema.parse(
    JSON.parse(new TextDecoder().decode(answer(world, new TextEncoder().encode(JSON.stringify(request))))),
  );

describe('the control socket', () => {
  it('answers every good request with the state after it', () => {
    const reply = ask({ op: 'reset', seed: 12 });
    expect(reply).toMatchObject({ ok: true, state: { seed: 12, arm: 'X5' } });
    expect(ask({ op: 'state' })).toMatchObject({ ok: true, state: { seed: 12 } });
    expect(ask({ op: 'fault', fault: { kind: 'lost', motor: 5, probability: 0.1 } })).toMatchObject({
      ok: true,
      state: { bus: { faults: [{ kind: 'lost', motor: 5, probability: 0.1 }] } },
    });
    expect(ask({ op: 'fault', fault: { kind: 'clear' } })).toMatchObject({ state: { bus: { faults: [] } } });
  });

  it('says what is wrong with a bad one', () => {
    expect(ask({ op: 'explode' })).toMatchObject({ ok: false });
    expect(ask({ op: 'push', body: 'ghost', forceN: [0, 0, 1], durationMs: 5 })).toMatchObject({
      ok: false,
      message: expect.stringContaining('ghost'),
    });
    expect(ask({ op: 'fault', fault: { kind: 'lost', probability: 2 } })).toMatchObject({ ok: false });
  });

  it('survives anything', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        (bytes) => {
          replySchema.parse(JSON.parse(new TextDecoder().decode(answer(world, bytes))));
        },
      ),
    );
    expect(ask({ op: 'state' })).toMatchObject({ ok: true });
  });
});
