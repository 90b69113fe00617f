import { describe, expect, it } from 'vitest';
import { FaultRun } from '../support/fault-run.ts';

/** The matrix of `test/faults.test.ts`, 200 times; set MYELIN_SOAK_SEED to draw other moments. */
const ROUNDS = 200;
const SEED = Number(process.env.MYELIN_SOAK_SEED ?? 1);

describe(`200 misfortunes at random moments (seed ${SEED})`, () => {
  const run = new FaultRun(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const { victim, how, afterMs } = run.draw(round);
    it(`round ${round}: ${how} of the ${victim} after ${afterMs} ms`, { timeout: 60_000 }, async () => {
      const { faults, ticks } = await run.suffer(victim, how, afterMs);
      expect(faults).toEqual([]);
      expect(ticks).toBeGreaterThan(50);
    });
  }
});
