import { describe, expect, it } from 'vitest';
import { createScriptedPolicy } from '../../policies/scripted/scripted-policy.ts';
import { runSort } from './sort-run.ts';

describe('the whole chain in lock-step', () => {
  it('sorts a scene within limits, the same way every time', async () => {
    const run = () => runSort(3, { limitS: 60, latencyS: 0.02 }, createScriptedPolicy);
    const outcome = await run();
    expect(outcome).toMatchObject({ sorted: 3, cubes: 3, chunksRefused: 0, stopped: undefined });
    expect(outcome.finishedS).toBeLessThan(40);
    for (const share of [outcome.velocity, outcome.acceleration, outcome.jerk]) {
      expect(share).toBeGreaterThan(0.1);
      expect(share).toBeLessThanOrEqual(1);
    }
    // A closed gripper may be found a few micrometres beyond its range; no command goes further.
    expect(outcome.outside).toBeLessThan(1e-5);
    expect(await run()).toEqual(outcome);
  }, 240_000);
});
