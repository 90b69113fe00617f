import { expect } from 'vitest';
import { Engine } from '../../src/serving/engine/engine.ts';
import { createNoopPolicy } from '../../src/serving/engine/noop-policy.ts';
import { openOpenpiPolicy } from '../../src/serving/openpi/open-openpi-policy.ts';
import { startOpenpiServer } from '../../src/serving/openpi/openpi-server.ts';
import { Pi05Client } from '../../src/serving/pi05/pi05-client.ts';
import { startPi05Server } from '../../src/serving/pi05/pi05-server.ts';
import { EchoPolicy } from '../../src/serving/testing.ts';
import { hostileOpenpi, hostilePi05 } from './hostile-frames.ts';
import { type HostileCount, sendHostile, sendHostileBytes } from './hostile-run.ts';
import { type LiveMemory, liveMemory } from './live-memory.ts';

export interface HostileOutcome {
  readonly answered: number;
  readonly closed: Readonly<Record<number, number>>;
  /** After each fifth of the frames; the first is warming up. */
  readonly memory: readonly LiveMemory[];
}

/** An echo that keeps nothing, so that memory that grows is the server's. */
class ForgetfulPolicy extends EchoPolicy {
  override async infer(...asked: Parameters<EchoPolicy['infer']>) {
    const chunk = await super.infer(...asked);
    this.seen.length = 0;
    this.timesteps.length = 0;
    return chunk;
  }
}

/** Sends the frames in five parts, and looks at the memory after each. */
async function inParts(
  frames: number,
  send: (part: number, frames: number) => Promise<HostileCount>,
): Promise<HostileOutcome> {
  let answered = 0;
  const closed: Record<number, number> = {};
  const memory: LiveMemory[] = [];
  for (let part = 0; part < 5; part++) {
    const count = await send(part, Math.ceil(frames / 5));
    answered += count.answered;
    for (const [code, times] of count.closed) closed[code] = (closed[code] ?? 0) + times;
    memory.push(liveMemory());
  }
  return { answered, closed, memory };
}

/** Hostile frames in every dialect of the openpi server, and bare bytes; a good client is served afterwards. */
export async function hostileOpenpiRun(frames: number, seed: number): Promise<HostileOutcome> {
  await using engine = new Engine({
    policies: new Map([['echo', new ForgetfulPolicy({ cameras: [{ name: 'base_0_rgb' }] })]]),
  });
  await using server = await startOpenpiServer(engine, { port: 0 });
  const url = `ws://127.0.0.1:${server.port}`;
  const outcome = await inParts(frames, async (part, count) => {
    // Most go where errors leave the connection open, which is ten times faster.
    const paths = [
      ['/v1/realtime/robot/openpi', 0.9],
      ['/stock', 0.1],
    ] as const;
    const all: HostileCount = { answered: 0, closed: new Map() };
    for (const [path, share] of paths) {
      const done = await sendHostile({
        url: url + path,
        frames: Math.ceil(count * share),
        seed: seed + 1000 * part,
        frame: hostileOpenpi,
        clients: 4,
      });
      all.answered += done.answered;
      for (const [code, times] of done.closed) all.closed.set(code, (all.closed.get(code) ?? 0) + times);
    }
    return all;
  });
  await sendHostileBytes(server.port, Math.min(2000, frames / 20), seed);
  const policy = await openOpenpiPolicy({ url });
  const chunk = await policy.infer({
    timestep: 1,
    timestampNs: 1,
    state: Float64Array.of(1, 2),
    velocity: new Float64Array(2),
    cameras: new Map([
      [
        'base_0_rgb',
        { name: 'base_0_rgb', width: 2, height: 2, rgb: new Uint8Array(12), capturedNs: 0, sequence: 0 },
      ],
    ]),
    task: '',
  });
  expect([...chunk.actions]).toEqual([1, 2, 2, 3, 3, 4]);
  await policy.close();
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  return outcome;
}

/** The same for the pi0.5 server. */
export async function hostilePi05Run(frames: number, seed: number): Promise<HostileOutcome> {
  await using engine = new Engine({ policies: new Map([['noop', createNoopPolicy()]]) });
  await using server = await startPi05Server(engine, { port: 0 });
  const url = `ws://127.0.0.1:${server.port}`;
  const outcome = await inParts(frames, (part, count) =>
    sendHostile({ url, frames: count, seed: seed + 1000 * part, frame: hostilePi05, clients: 4 }),
  );
  await sendHostileBytes(server.port, Math.min(2000, frames / 20), seed);
  await using client = new Pi05Client({ url });
  const picture = { width: 1, height: 1, rgb: Uint8Array.of(1, 2, 3) };
  expect(
    (await client.infer({ images: { base_0_rgb: picture }, state: [1], highLevelPrompt: '' })).status,
  ).toBe('success');
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  return outcome;
}
