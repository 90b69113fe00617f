import { expect, it } from 'vitest';
import { restartUnderLoad } from '../support/restart-run.ts';

/** The soak suite does the same 100 times. */
const ROUNDS = 5;

it(`a server that is killed and restarted ${ROUNDS} times under load: every client resumes, no limit is broken`, {
  timeout: 240_000,
}, async () => {
  const { faults, failures } = await restartUnderLoad(ROUNDS, 20_260);
  expect(faults).toEqual([]);
  // They were at work when it died.
  for (const [client, count] of Object.entries(failures)) expect(count, client).toBeGreaterThan(0);
});
