import { expect, it } from 'vitest';
import { restartUnderLoad } from '../support/restart-run.ts';

/** As `test/restarts.test.ts`, 100 times; MYELIN_SOAK_RESTARTS sets another number, MYELIN_SOAK_SEED other moments. */
const ROUNDS = Number(process.env.MYELIN_SOAK_RESTARTS ?? 100);
const SEED = Number(process.env.MYELIN_SOAK_SEED ?? 1);

it(`a server that is killed and restarted ${ROUNDS} times under load: every client resumes, no limit is broken`, async () => {
  const started = performance.now();
  const report = await restartUnderLoad(ROUNDS, SEED);
  console.log(`${JSON.stringify(report)} in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  expect(report.faults).toEqual([]);
  expect(report.rounds).toBe(ROUNDS);
});
