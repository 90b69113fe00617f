import { describe, expect, it } from 'vitest';
import { hostileOpenpiRun, hostilePi05Run } from '../support/hostile-server.ts';
import { expectFlat, memoryText } from '../support/live-memory.ts';

const FRAMES = Number(process.env.HOSTILE_FRAMES ?? 1_000_000);
const SEED = Number(process.env.HOSTILE_SEED ?? 1);

describe('a million hostile messages', () => {
  it.each([
    ['openpi', hostileOpenpiRun],
    ['pi0.5', hostilePi05Run],
  ])('leave the %s server answering, and its memory flat', async (name, run) => {
    const { answered, closed, memory } = await run(FRAMES, SEED);
    console.log(
      `${name}: ${answered} answered, closed by code ${JSON.stringify(closed)}, memory ${memory.map(memoryText).join(' -> ')}`,
    );
    expect(answered + Object.values(closed).reduce((sum, times) => sum + times, 0)).toBeGreaterThanOrEqual(
      FRAMES,
    );
    expectFlat(memory);
  });
});
