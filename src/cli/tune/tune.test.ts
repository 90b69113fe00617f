import fc from 'fast-check';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { AGGREGATE_NAMES } from '../../core/aggregation.ts';
import { createNoopPolicy } from '../../serving/engine/noop-policy.ts';
import { seededRandom } from '../../world/random.ts';
import { JerkMeter } from './jerk-meter.ts';
import { answerTimes } from './network.ts';
import { recommend, reserveS } from './recommend.ts';
import { tuneReport } from './report.ts';
import { centre, grid, sweeps, USUAL_AXES, USUAL_SETTING } from './settings.ts';
import type { Conditions, Trial } from './try-setting.ts';
import { waveringPolicy } from './wavering-policy.ts';

const trial = (change: Partial<Trial> & { readonly actionsPerChunk?: number } = {}): Trial => {
  const { actionsPerChunk = 50, ...rest } = change;
  return {
    setting: { ...USUAL_SETTING, actionsPerChunk },
    emptyShare: 0,
    rmsJerk: 10,
    observationHz: 2,
    reactionS: 0.5,
    cubesSorted: 15,
    cubes: 15,
    scenesSorted: 5,
    scenes: 5,
    finishedS: 20,
    queue: [
      { atS: 0, depth: 0 },
      { atS: 1, depth: 40 },
    ],
    ...rest,
  };
};

describe('settings', () => {
  it('are every combination, or one parameter at a time around the defaults', () => {
    expect(grid(USUAL_AXES)).toHaveLength(48);
    expect(centre(USUAL_AXES)).toEqual(USUAL_SETTING);
    const swept = sweeps(USUAL_AXES, USUAL_SETTING);
    expect(swept).toHaveLength(9);
    expect(swept).toContainEqual(USUAL_SETTING);
    expect(centre({ ...USUAL_AXES, actionsPerChunk: [8, 16, 24] }).actionsPerChunk).toBe(16);
  });
});

describe('the simulated network', () => {
  it('takes the latency and the model’s time, within the jitter, and longer when a packet is lost', () => {
    const milliseconds = fc.integer({ min: 0, max: 500 });
    fc.assert(
      fc.property(
        milliseconds,
        milliseconds,
        milliseconds,
        fc.integer(),
        (latencyMs, jitterMs, modelMs, seed) => {
          const time = answerTimes({ latencyMs, jitterMs, modelMs, loss: 0 }, seededRandom(seed));
          for (let i = 0; i < 20; i++) {
            const ms = 1000 * time();
            expect(ms).toBeGreaterThanOrEqual(Math.max(0, latencyMs - jitterMs) + modelMs - 1e-6);
            expect(ms).toBeLessThanOrEqual(latencyMs + jitterMs + modelMs + 1e-6);
          }
        },
      ),
    );
    const lossy = answerTimes({ latencyMs: 80, jitterMs: 0, modelMs: 0, loss: 1 }, seededRandom(1));
    expect(lossy()).toBeCloseTo(0.28, 9);
  });
});

describe('jerk', () => {
  it('of a cubic is six times its leading coefficient', () => {
    const meter = new JerkMeter(1, 0.01);
    for (let k = 0; k < 50; k++) meter.add([2 * (0.01 * k) ** 3 - (0.01 * k) ** 2]);
    const { sum, count } = meter.total;
    expect(count).toBe(47);
    expect(Math.sqrt(sum / count)).toBeCloseTo(12, 3);
  });
});

describe('a wavering policy', () => {
  const observation = {
    timestep: 0,
    timestampNs: 0,
    state: Float64Array.of(1, 2, 3),
    velocity: new Float64Array(3),
    cameras: new Map(),
    task: '',
  };
  const infer = async (errorRad: number) =>
    waveringPolicy(createNoopPolicy({ chunkRows: 60, dof: 3 }), errorRad, 2, seededRandom(5)).infer(
      observation,
    );

  it('errs more the further it looks ahead, never with the gripper, and not at all without an error', async () => {
    const { actions } = await infer(0.01);
    const error = (row: number, joint: number) =>
      Math.abs(actions[row * 3 + joint]! - observation.state[joint]!);
    for (const joint of [0, 1]) {
      expect(error(0, joint)).toBeGreaterThan(0);
      expect(error(59, joint)).toBeCloseTo(4 * error(0, joint), 9);
    }
    expect(error(59, 2)).toBe(0);
    expect((await infer(0)).actions).toEqual(
      (await createNoopPolicy({ chunkRows: 60, dof: 3 }).infer(observation)).actions,
    );
  });
});

describe('the recommendation', () => {
  it('puts the task first, then a filled queue, then smoothness', () => {
    const good = trial({ actionsPerChunk: 30 });
    expect(recommend([trial({ cubesSorted: 8, reactionS: 0.1 }), good]).trial).toBe(good);
    expect(recommend([trial({ emptyShare: 0.1, reactionS: 0.1 }), good]).trial).toBe(good);
    expect(recommend([trial({ rmsJerk: 20, reactionS: 0.1 }), good]).trial).toBe(good);
    expect(recommend([trial({ finishedS: 30, reactionS: 0.1 }), good]).trial).toBe(good);
    expect(recommend([trial({ finishedS: undefined, reactionS: 0.1 }), good]).trial).toBe(good);
  });

  it('balances reacting and asking among the rest', () => {
    const slow = trial({ reactionS: 1, observationHz: 1 });
    const greedy = trial({ reactionS: 0.25, observationHz: 8 });
    const middle = trial({ reactionS: 0.5, observationHz: 1.5 });
    expect(recommend([slow, greedy, middle]).trial).toBe(middle);
  });

  it('goes on without times when no scene was finished', () => {
    const { trial: chosen, reasons } = recommend([
      trial({ finishedS: undefined }),
      trial({ finishedS: undefined, reactionS: 0.3 }),
    ]);
    expect(chosen.reactionS).toBe(0.3);
    expect(reasons.join(' ')).toContain('No scene was finished');
  });

  it('says so when no setting keeps the queue filled', () => {
    const { trial: chosen, reasons } = recommend([trial({ emptyShare: 0.4 }), trial({ emptyShare: 0.3 })]);
    expect(chosen.emptyShare).toBe(0.3);
    expect(reasons.join(' ')).toContain('the answers take too long');
    expect(() => recommend([])).toThrow(RangeError);
  });

  it('knows what is left when a chunk is asked for', () => {
    expect(reserveS(USUAL_SETTING, 25)).toBe(1);
  });
});

describe('the report', () => {
  const conditions: Conditions = {
    network: { latencyMs: 80, jitterMs: 20, loss: 0, modelMs: 100 },
    seed: 1,
    scenes: 5,
    limitS: 60,
    fps: 30,
    errorRad: 0.01,
    chunkRows: 100,
    disturbed: true,
  };
  const files = (settings: typeof grid) =>
    tuneReport({
      command: 'myelin tune',
      axes: USUAL_AXES,
      around: USUAL_SETTING,
      conditions,
      trials: settings(USUAL_AXES).map((setting, i) => ({ ...trial(), setting, emptyShare: i / 500 })),
    });

  it('shows every sweep, all settings, what is recommended, and refers to its plots', () => {
    const report = files(grid);
    const text = report.get('report.md') ?? '';
    for (const name of AGGREGATE_NAMES) expect(text).toContain(name);
    expect(text).toMatch(
      /Recommended: `--actions-per-chunk \d+ --chunk-size-threshold [\d.]+ --aggregate-fn-name \w+`/,
    );
    const shown = [...text.matchAll(/\]\(([\w-]+\.svg)\)/g)].map(([, file]) => file);
    expect(shown).toHaveLength(6);
    for (const file of shown) expect(XMLValidator.validate(report.get(file ?? '') ?? '')).toBe(true);
    expect(JSON.parse(report.get('results.json') ?? '').trials).toHaveLength(48);
  });

  it('has plots with room for their words', () => {
    for (const [file, svg] of files(grid)) {
      if (!file.endsWith('.svg')) continue;
      const width = Number(/<svg[^>]* width="(\d+)"/.exec(svg)?.[1]);
      for (const [, attributes = '', words = ''] of svg.matchAll(/<text([^>]*)>([^<]*)</g)) {
        if (attributes.includes('text-anchor')) continue;
        const size = Number(/font-size="(\d+)"/.exec(attributes)?.[1] ?? 12);
        const from = Number(/ x="([\d.]+)"/.exec(attributes)?.[1]);
        // Letters of a wide font take six tenths of their height.
        expect([file, words, from + 0.6 * size * words.length <= width]).toEqual([file, words, true]);
      }
    }
  });

  it('leaves the map out where not every pair was tried', () => {
    const report = files((axes) => sweeps(axes, USUAL_SETTING));
    expect(report.has('queue-empty.svg')).toBe(false);
    expect(report.get('report.md')).not.toContain('queue-empty.svg');
  });
});
