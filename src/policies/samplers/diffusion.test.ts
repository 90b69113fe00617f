import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ddim } from './ddim.ts';
import { ddpm } from './ddpm.ts';
import { type DiffusionRun, type DiffusionSettings, denoise } from './diffusion.ts';
import { cumulativeAlphas, visitedTimesteps } from './noise-schedule.ts';

const SETTINGS: DiffusionSettings = {
  trainSteps: 50,
  betaSchedule: 'squaredcos_cap_v2',
  betaStart: 1e-4,
  betaEnd: 0.02,
  predicts: 'epsilon',
};
const zeros = (draws: number, length: number) =>
  Array.from({ length: draws }, () => new Float32Array(length));

describe('the noise schedule', () => {
  it.each([
    [
      'squaredcos_cap_v2',
      1e-4,
      0.02,
      [
        0.9982525110244751, 0.9945700168609619, 0.49384358525276184, 0.46270686388015747,
        9.711807251733262e-7,
      ],
    ],
    [
      'linear',
      1e-4,
      0.02,
      [0.9998999834060669, 0.9993939399719238, 0.8827129006385803, 0.8736623525619507, 0.6029515862464905],
    ],
    [
      'scaled_linear',
      1e-3,
      0.03,
      [0.9990000128746033, 0.9978101253509521, 0.8859248161315918, 0.8763687014579773, 0.5395243167877197],
    ],
  ] as const)(
    'leaves as much of the sample as diffusers says: %s',
    (betaSchedule, betaStart, betaEnd, expected) => {
      const alphas = cumulativeAlphas({ trainSteps: 50, betaSchedule, betaStart, betaEnd });
      expect([0, 1, 24, 25, 49].map((step) => alphas[step])).toEqual(expected);
    },
  );

  it('visits whole steps, evenly spaced, down to 0', () => {
    expect(visitedTimesteps(50, 7)).toEqual([42, 35, 28, 21, 14, 7, 0]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }), (a, b) => {
        const [steps, trainSteps] = [Math.min(a, b), Math.max(a, b)];
        const visited = visitedTimesteps(trainSteps, steps);
        expect(visited).toHaveLength(steps);
        expect(visited.at(-1)).toBe(0);
        expect(visited.every((step, i) => step < (visited[i - 1] ?? trainSteps))).toBe(true);
      }),
    );
  });
});

describe('one step back', () => {
  const alphas = cumulativeAlphas(SETTINGS);
  const at = (timestep: number) => ({
    alpha: alphas[timestep] as number,
    previousAlpha: alphas[timestep - 5] ?? 1,
  });
  const prediction = [0.1, -0.4, 0.9];
  const sample = () => Float32Array.of(0.3, -0.8, 1.2);
  const clipped = { ...SETTINGS, clipRange: 1 };

  it.each([
    [45, [0.7834690809249878, -1.4267139434814453, 2.4604556560516357]],
    [20, [0.47082945704460144, -1.096016764640808, 1.714173674583435]],
    [5, [0.30693337321281433, -0.7791364789009094, 1.0905463695526123]],
    [0, [0.29607850313186646, -0.7839640974998474, 1]],
  ] as const)('answers what diffusers answers: DDPM at %i', (timestep, expected) => {
    const x = sample();
    ddpm(at(timestep), clipped, x, prediction, timestep > 0 ? [0.5, -1, 2] : undefined);
    for (const [i, value] of expected.entries()) expect(x[i]).toBeCloseTo(value, 6);
  });

  it.each([
    [45, [0.37294816970825195, -0.6612215042114258, 1.1416770219802856]],
    [20, [0.3132665455341339, -0.8090348243713379, 1.154281735420227]],
    [5, [0.28979983925819397, -0.7514963150024414, 1.0367485284805298]],
    [0, [0.29607850313186646, -0.7839640974998474, 1]],
  ] as const)('answers what diffusers answers: DDIM at %i', (timestep, expected) => {
    const x = sample();
    ddim(at(timestep), clipped, x, prediction, undefined);
    for (const [i, value] of expected.entries()) expect(x[i]).toBeCloseTo(value, 6);
  });
});

describe('denoising', () => {
  const clean = [0.5, -0.25, 0.75, 0];

  it('arrives at the clean sample that a network without fault sees, in any number of steps', async () => {
    const alphas = cumulativeAlphas(SETTINGS);
    for (const [rule, steps] of [
      [ddpm, 1],
      [ddpm, 10],
      [ddim, 3],
      [ddim, 50],
    ] as const) {
      for (const predicts of ['epsilon', 'sample'] as const) {
        const sample = await denoise({
          settings: { ...SETTINGS, predicts },
          rule,
          steps,
          noise: [Float32Array.of(1, -2, 0.5, 3), ...zeros(steps - 1, 4)],
          predict: async (x, timestep) => {
            const alpha = alphas[timestep] as number;
            const noise = (value: number, i: number) =>
              (value - Math.sqrt(alpha) * (clean[i] as number)) / Math.sqrt(1 - alpha);
            return predicts === 'sample' ? clean : Array.from(x, noise);
          },
        });
        for (const [i, value] of clean.entries()) expect(sample[i]).toBeCloseTo(value, 3);
      }
    }
  });

  it('holds the clean sample within the range, when there is one', async () => {
    const run = (clipRange: number | undefined) =>
      denoise({
        settings: { ...SETTINGS, predicts: 'sample', clipRange },
        rule: ddpm,
        steps: 5,
        noise: zeros(5, 2),
        predict: async () => [7, -7],
      });
    expect([...(await run(1.5))]).toEqual([1.5, -1.5]);
    expect([...(await run(undefined))]).toEqual([7, -7]);
  });

  it('leaves the noise it was given as it was', async () => {
    const noise = zeros(4, 2);
    const run: DiffusionRun = {
      settings: SETTINGS,
      rule: ddpm,
      steps: 4,
      noise,
      predict: async () => [1, 1],
    };
    expect(await denoise(run)).toEqual(await denoise(run));
    expect(noise).toEqual(zeros(4, 2));
  });

  it('reports every step, and stops at the next one when it is told to', async () => {
    const abort = new AbortController();
    const stages: string[] = [];
    let asked = 0;
    const run = denoise({
      settings: SETTINGS,
      rule: ddim,
      steps: 10,
      noise: zeros(1, 2),
      signal: abort.signal,
      onStage: (stage) => stages.push(stage),
      predict: async () => {
        asked += 1;
        if (asked === 3) abort.abort(new Error('enough'));
        return [0, 0];
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect([asked, stages]).toEqual([3, Array(3).fill('denoise step')]);
  });
});
