import { expect } from 'vitest';
import { damaged, HOSTILE_PICKLES, soundMessages } from '../../src/serving/lerobot/hostile.ts';
import { ASYNC_INFERENCE, MYELIN_INFERENCE } from '../../src/serving/lerobot/service.ts';
import { CountingPolicy, type PlainClient, testServer } from '../../src/serving/lerobot/testing.ts';
import { generator } from './hostile-frames.ts';
import { sendHostileBytes } from './hostile-run.ts';
import { type LiveMemory, liveMemory } from './live-memory.ts';

export interface HostileLeRobotOutcome {
  /** How often each answer came: `taken`, or `SERVER_REFUSED`. Every message has one. */
  readonly answers: Readonly<Record<string, number>>;
  /** After each tenth of the messages; the first is warming up. */
  readonly memory: readonly LiveMemory[];
}

type Random = () => number;

const CLIENTS = 4;
/** Messages on their way at once on each connection; the server allows 32. */
const AHEAD = 16;
/** Machines that run a million of these are busy, and may be stopped for a while. */
const LIMITS = { deadlineMs: 3_600_000 };

const noise = (random: Random, most: number): Buffer =>
  Buffer.from(Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * 256)));

/** What LeRobot's server is never sent by a good client; in a random one of its calls, ours among them. */
function hostileCall(
  client: PlainClient,
  random: Random,
  sound: readonly Buffer[],
  costly: boolean,
): Promise<unknown> {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  // The costly ones are as large as ten thousand others: a few are enough.
  const pickle = pick(HOSTILE_PICKLES);
  const bytes = random() < 0.2 && (costly || pickle.length < 10_000) ? pickle : damaged(pick(sound), random);
  const { connection } = client;
  const junk = (method: typeof ASYNC_INFERENCE.sendPolicyInstructions) =>
    connection.call({ ...method, requestSerialize: () => noise(random, 300) }, Buffer.alloc(0), LIMITS);
  const kind = random();
  // Some arrive in pieces of odd sizes.
  const pieceBytes = random() < 0.05 && bytes.length < 3000 ? 20 + Math.floor(random() * 3000) : undefined;
  if (kind < 0.55) return client.upload(bytes, pieceBytes);
  if (kind < 0.75) return client.raw(bytes);
  if (kind < 0.95) {
    const request = {
      observation: bytes,
      options: random() < 0.5 ? bytes : noise(random, 60),
      previous: noise(random, 60),
      noise: noise(random, 60),
    };
    return connection.call(MYELIN_INFERENCE.infer, request, LIMITS);
  }
  return junk(ASYNC_INFERENCE.sendPolicyInstructions);
}

/** What is no HTTP/2 at all, or only begins like it, for a bare TCP connection. */
function hostileHttp2(random: Random): Uint8Array {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const frame = Buffer.from([0, 0, 0, Math.floor(random() * 12), Math.floor(random() * 256), 0, 0, 0, 1]);
  const heads = [preface, Buffer.concat([preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]), frame];
  const head = heads[Math.floor(random() * heads.length)] ?? preface;
  return new Uint8Array(Buffer.concat([head, noise(random, 300)]));
}

/** A policy that keeps nothing, so that memory that grows is the server's. */
class ForgetfulPolicy extends CountingPolicy {
  override async infer(...[observation]: Parameters<CountingPolicy['infer']>) {
    const chunk = await super.infer(observation);
    this.asked.length = 0;
    return chunk;
  }
}

/** Hostile messages to a LeRobot server, over the wire; a good client is served afterwards. */
export async function hostileLeRobotRun(
  messages: number,
  seed: number,
  onProgress?: (sent: number, memory: LiveMemory) => void,
): Promise<HostileLeRobotOutcome> {
  const { server, connect, close } = await testServer(new ForgetfulPolicy());
  try {
    const sound = soundMessages().slice(0, 3);
    const answers: Record<string, number> = {};
    let sent = 0;
    const memory: LiveMemory[] = [];
    const client = async (own: number) => {
      const plain = connect(undefined, LIMITS);
      await plain.instruct();
      const random = generator(seed + own);
      while (sent < messages) {
        const batch = Array.from({ length: AHEAD }, () => {
          sent += 1;
          return hostileCall(plain, random, sound, sent % 1000 === 0).then(
            () => 'taken',
            ({ code, message }: { code?: string; message: string }) =>
              code === 'SERVER_REFUSED' ? code : `${code}: ${message}`,
          );
        });
        for (const answer of await Promise.all(batch)) answers[answer] = (answers[answer] ?? 0) + 1;
        while (sent >= ((memory.length + 1) * messages) / 10) {
          const now = liveMemory();
          memory.push(now);
          onProgress?.(sent, now);
        }
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i)));
    await sendHostileBytes(server.port, Math.min(2000, messages / 20), seed, hostileHttp2);
    const good = connect();
    await good.instruct();
    await good.send(1, [1, 2], { mustGo: true });
    expect((await good.actions())?.rows[0]?.timestep).toBe(1);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    return { answers, memory };
  } finally {
    await close();
  }
}
