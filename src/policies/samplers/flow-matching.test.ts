import { describe, expect, it } from 'vitest';
import { type FlowTime, integrateFlow, rowTimes } from './flow-matching.ts';
import type { ChunkContinuation } from './real-time-chunk.ts';

const noise = Float32Array.of(1, -2, 3, 0.5);
const shape = { rows: 2, width: 2, defaultSteps: 10 };
const zero = () => Promise.resolve(new Float32Array(4));

const chunk = (changes: Partial<ChunkContinuation>): ChunkContinuation => ({
  rows: 2,
  previous: Float32Array.of(5, 6, 0, 0),
  previousRows: 1,
  delaySteps: 1,
  executionHorizon: 1,
  schedule: 'linear',
  maxGuidance: 10,
  mode: 'guided',
  ...changes,
});

describe('flow matching', () => {
  it('follows a straight path to its end in any number of steps', async () => {
    const target = [0.25, -1, 2, 4];
    for (const flowSteps of [1, 3, 10]) {
      // The velocity of a straight path from the noise to the target.
      const field = () => Promise.resolve(Float32Array.from(target, (end, i) => (noise[i] ?? 0) - end));
      const actions = await integrateFlow(field, { ...shape, options: { noise, flowSteps } });
      for (const [i, end] of target.entries()) expect(actions[i]).toBeCloseTo(end, 5);
    }
  });

  it('asks at falling times, tells of each step, and leaves the noise that was given alone', async () => {
    const times: number[] = [];
    const stages: string[] = [];
    const before = noise.slice();
    await integrateFlow(
      (x, { time }) => {
        times.push(time);
        x.fill(9);
        return zero();
      },
      { ...shape, options: { noise, flowSteps: 4, onStage: (stage) => stages.push(stage) } },
    );
    expect(times).toEqual([1, 0.75, 0.5, 0.25]);
    expect(stages).toEqual(Array(4).fill('denoise step'));
    expect(noise).toEqual(before);
  });

  it('stops between two steps when it is told to', async () => {
    const controller = new AbortController();
    let asked = 0;
    const field = () => {
      asked++;
      if (asked === 3) controller.abort(new Error('enough'));
      return zero();
    };
    const run = integrateFlow(field, { ...shape, options: { noise, signal: controller.signal } });
    await expect(run).rejects.toThrow('enough');
    expect(asked).toBe(3);
  });

  it('begins from a seed when no noise is given', async () => {
    const from = (seed: number) => integrateFlow(zero, { ...shape, options: { seed } });
    expect(await from(1)).toEqual(await from(1));
    expect(await from(1)).not.toEqual(await from(2));
  });

  it('pulls the rows that will run anyway onto the chunk that runs', async () => {
    const actions = await integrateFlow(zero, {
      ...shape,
      continuation: chunk({}),
      options: { noise, flowSteps: 40 },
    });
    expect(actions[0]).toBeCloseTo(5, 1);
    expect(actions[1]).toBeCloseTo(6, 1);
    expect([...actions.slice(2)]).toEqual([3, 0.5]);
  });

  it('holds the first rows where a checkpoint was trained so, and tells the model that they are final', async () => {
    const seen: FlowTime[] = [];
    const firstRows: number[][] = [];
    const actions = await integrateFlow(
      (x, at) => {
        seen.push(at);
        firstRows.push([...x.slice(0, 2)]);
        return Promise.resolve(new Float32Array(4).fill(1));
      },
      { ...shape, continuation: chunk({ mode: 'trained' }), options: { noise, flowSteps: 2 } },
    );
    expect(firstRows).toEqual([
      [5, 6],
      [5, 6],
    ]);
    expect(seen.map((at) => rowTimes(at, 2))).toEqual([
      [0, 1],
      [0, 0.5],
    ]);
    expect([...actions]).toEqual([5, 6, 2, -0.5]);
  });

  it('refuses noise of another size and step counts that are none', async () => {
    const run = (options: object) => integrateFlow(zero, { ...shape, options });
    await expect(run({ noise: noise.slice(1) })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(run({ noise: Float32Array.of(1, 2, 3, Number.NaN) })).rejects.toThrow('4 finite numbers');
    for (const flowSteps of [0, 1.5, Number.NaN, 1e9]) {
      await expect(run({ noise, flowSteps })).rejects.toThrow('a whole number from 1 to 1000');
    }
  });
});
