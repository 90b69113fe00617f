import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Observation } from '../core/observation.ts';
import { adaptedToPi, gripperActionFromPi, gripperActionToPi, gripperToPi } from './aloha-space.ts';
import type { InferOptions, Policy } from './policy.ts';

/** Answers the state it is shown, row after row. */
function echo(length = 14) {
  const seen: { observation: Observation; options: InferOptions }[] = [];
  const shown: Observation[] = [];
  const names = Array.from({ length }, (_, i) => `a${i}`);
  const policy: Policy = {
    spec: {
      name: 'pi0 aloha',
      cameras: [],
      stateNames: names,
      actionNames: names,
      chunkRows: 2,
      actionSteps: 2,
      subtasks: false,
    },
    infer: async (observation, options = {}) => {
      seen.push({ observation, options });
      const actions = Float64Array.from([...observation.state, ...observation.state]);
      const { timestep, timestampNs: observedNs } = observation;
      return { actions, rows: 2, dof: length, stepPeriodS: 0.02, timestep, observedNs };
    },
    observe: (observation) => shown.push(observation),
    reset: () => undefined,
    close: async () => undefined,
  };
  return { policy, seen, shown };
}

const observationOf = (state: readonly number[]): Observation => ({
  timestep: 1,
  timestampNs: 1,
  state: Float64Array.from(state),
  velocity: new Float64Array(state.length),
  cameras: new Map(),
  task: '',
});

const STATE = [1, 2, 3, 4, 5, 6, 0, -1, -2, -3, -4, -5, -6, 1];

describe("openpi's ALOHA checkpoints on an ALOHA robot", () => {
  it('see joints two and three of each arm the other way round, and grippers as angles', async () => {
    const { policy, seen, shown } = echo();
    const adapted = adaptedToPi(policy);
    const { actions, rows } = await adapted.infer(observationOf(STATE));
    const state = [...(seen[0]?.observation.state ?? [])];
    expect(state.filter((_, i) => i % 7 !== 6)).toEqual([1, -2, -3, 4, 5, 6, -1, 2, 3, -4, -5, -6]);
    // By hand: closed, asin((0.022² + 0.01844² - 0.036²) / (2 · 0.022 · 0.01844)); open, the same of 0.058.
    expect(state[6]).toBeCloseTo((Math.asin(-0.5817) - 0.5476) / 1.082, 3);
    expect(state[13]).toBeCloseTo((Math.asin(1) - 0.5476) / 1.082, 6);
    // The echo's joints come back as they went in.
    expect(rows).toBe(2);
    for (const offset of [0, 14])
      for (const joint of [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12])
        expect(actions[offset + joint]).toBe(STATE[joint]);
    adapted.observe?.(observationOf(STATE));
    expect([...(shown[0]?.state ?? [])]).toEqual(state);
  });

  it('open and close the gripper as the documentation says', () => {
    expect(gripperActionFromPi(0)).toBeCloseTo((0.5476 + 0.6213) / (1.491 + 0.6213), 12);
    fc.assert(
      fc.property(fc.double({ min: -2, max: 2, noNaN: true }), (action) => {
        expect(gripperActionToPi(gripperActionFromPi(action))).toBeCloseTo(action, 9);
      }),
    );
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (a, b) => {
          // The wider it is open, the larger the angle.
          expect(Math.sign(gripperToPi(a) - gripperToPi(b)) * Math.sign(a - b)).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });

  it('continue a chunk in their own numbers, and leave further axes alone', async () => {
    const { policy, seen } = echo(16);
    const previous = Float64Array.from({ length: 16 }, () => 0.5);
    await adaptedToPi(policy).infer(observationOf([...STATE, 7, 8]), {
      seed: 3,
      realTimeChunk: { previous, rows: 1, delaySteps: 0, mode: 'guided' },
    });
    const { realTimeChunk, seed } = seen[0]?.options ?? {};
    expect(seed).toBe(3);
    const hand = [0.5, -0.5, -0.5, 0.5, 0.5, 0.5, gripperActionToPi(0.5)];
    expect([...(realTimeChunk?.previous ?? [])]).toEqual([...hand, ...hand, 0.5, 0.5]);
    expect([...(seen[0]?.observation.state.subarray(14) ?? [])]).toEqual([7, 8]);
  });

  it('are not for robots with fewer joints', async () => {
    expect(() => adaptedToPi(echo(7).policy)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    await expect(adaptedToPi(echo().policy).infer(observationOf([1, 2]))).rejects.toMatchObject({
      code: 'OBSERVATION_MISMATCH',
    });
  });
});
