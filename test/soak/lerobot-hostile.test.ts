import { describe, expect, it } from 'vitest';
import { CODECS } from '../../src/serving/lerobot/codec.ts';
import { damaged, HOSTILE_PICKLES, soundMessages } from '../../src/serving/lerobot/hostile.ts';
import { generator } from '../support/hostile-frames.ts';
import { hostileLeRobotRun } from '../support/hostile-lerobot.ts';
import { expectFlat, type LiveMemory, liveMemory, memoryText } from '../support/live-memory.ts';

const MESSAGES = Number(process.env.HOSTILE_FRAMES ?? 1_000_000);
const SEED = Number(process.env.HOSTILE_SEED ?? 1);
const ALLOWED = ['PICKLE_FORBIDDEN', 'PICKLE_INVALID', 'MESSAGE_INVALID'];

describe("a million malformed and hostile messages of LeRobot's protocol", () => {
  it('are each read or refused with a reason by the readers alone, and the memory stays flat', () => {
    const random = generator(SEED);
    const sound = soundMessages();
    const readers = Object.values(CODECS).flatMap((codec) => [
      codec.readObservation,
      codec.readPolicyConfig,
      codec.readActions,
    ]);
    const small = HOSTILE_PICKLES.filter(({ length }) => length < 10_000);
    const large = HOSTILE_PICKLES.filter(({ length }) => length >= 10_000);
    const counts = new Map<string, number>();
    const memory: LiveMemory[] = [];
    for (let i = 0; i < MESSAGES; i++) {
      // Everything that is built once is there after the first tenth.
      if (i > 0 && i % Math.ceil(MESSAGES / 10) === 0) memory.push(liveMemory());
      const bytes =
        i % 10_000 < large.length
          ? (large[i % 10_000] as Buffer)
          : i % 5 === 0
            ? (small[(i / 5) % small.length] as Buffer)
            : damaged(sound[i % sound.length] as Buffer, random);
      let outcome = 'read';
      try {
        readers[i % readers.length]?.(bytes);
      } catch (thrown) {
        outcome = (thrown as { code?: string }).code ?? String(thrown);
        if (!ALLOWED.includes(outcome)) expect(outcome).toBe('an error of the table');
      }
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
    memory.push(liveMemory());
    console.log(Object.fromEntries(counts), `memory ${memory.map(memoryText).join(' -> ')}`);
    expectFlat(memory);
  });

  it('are each answered by a server, whose memory stays flat and which serves on', async () => {
    const { answers, memory } = await hostileLeRobotRun(MESSAGES, SEED, (sent, now) =>
      console.log(`lerobot: ${sent} sent, ${memoryText(now)}`),
    );
    console.log(`lerobot: ${JSON.stringify(answers)}`);
    expect(Object.keys(answers).sort()).toEqual(['SERVER_REFUSED', 'taken']);
    expect((answers.SERVER_REFUSED ?? 0) + (answers.taken ?? 0)).toBeGreaterThanOrEqual(MESSAGES);
    expectFlat(memory);
  });
});
