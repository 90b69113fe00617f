import { expect, it } from 'vitest';
import { killUnderLoad } from '../support/remote-kill-run.ts';

/** MYELIN_SOAK_KILLS sets another number, MYELIN_SOAK_SEED other moments. */
const KILLS = Number(process.env.MYELIN_SOAK_KILLS ?? 200);
const SEED = Number(process.env.MYELIN_SOAK_SEED ?? 1);

it(`gateway, worker and project killed ${KILLS} times under load: no request without an answer, nothing left behind, no limit broken`, async () => {
  const started = performance.now();
  const { recoveryMs, ...report } = await killUnderLoad(KILLS, SEED);
  const at = (share: number) => Math.round(recoveryMs[Math.floor(share * recoveryMs.length)] ?? Number.NaN);
  const recovery = `answered again after ${at(0.5)} ms (half), ${at(0.99)} ms (99 of 100)`;
  console.log(
    `${JSON.stringify(report)}; ${recovery}; took ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
  expect(report.faults).toEqual([]);
  expect(Object.values(report.kills).reduce((sum, count) => sum + count, 0)).toBe(KILLS);
});
