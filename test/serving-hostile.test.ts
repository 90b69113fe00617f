import { describe, expect, it } from 'vitest';
import { hostileLeRobotRun } from './support/hostile-lerobot.ts';
import { hostileOpenpiRun, hostilePi05Run } from './support/hostile-server.ts';

const SEED = 20261121;

/** The soak suite sends a million to each. */
describe('thousands of hostile messages', () => {
  it('are each answered by the openpi server, or their connection is closed with a reason', async () => {
    const { answered, closed } = await hostileOpenpiRun(5000, SEED);
    expect(Object.keys(closed)).toEqual(['1011']);
    expect(answered + (closed[1011] ?? 0)).toBeGreaterThanOrEqual(5000);
  });

  it('are each answered by the pi0.5 server', async () => {
    const { answered, closed } = await hostilePi05Run(5000, SEED);
    expect([answered, closed]).toEqual([5000, {}]);
  });

  it('are each answered by the LeRobot server', async () => {
    const { answers } = await hostileLeRobotRun(5000, SEED);
    expect(Object.keys(answers).sort()).toEqual(['SERVER_REFUSED', 'taken']);
    expect((answers.SERVER_REFUSED ?? 0) + (answers.taken ?? 0)).toBeGreaterThanOrEqual(5000);
  });
});
