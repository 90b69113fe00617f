import { describe, expect, it } from 'vitest';
import { FaultRun } from '../support/fault-run.ts';

/** The matrix of `test/faults/`, 200 times; MYELIN_SOAK_SEED draws other moments, MYELIN_SOAK_ROUNDS other numbers. */
const ROUNDS = Number(process.env.MYELIN_SOAK_ROUNDS ?? 200);
const SEED = Number(process.env.MYELIN_SOAK_SEED ?? 1);

describe(`${ROUNDS} misfortunes at random moments (seed ${SEED})`, () => {
  const run = new FaultRun(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const { victim, how, afterMs } = run.draw(round);
    it(`round ${round}: ${how} of the ${victim} after ${afterMs} ms`, { timeout: 120_000 }, async () => {
      const { faults, ticks } = await run.suffer(victim, how, afterMs);
      expect(faults).toEqual([]);
      expect(ticks).toBeGreaterThan(50);
    });
  }
});
