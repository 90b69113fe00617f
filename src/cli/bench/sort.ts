import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { createScriptedPolicy } from '../../policies/scripted/scripted-policy.ts';
import { runSort, type SortOutcome } from './sort-run.ts';

export interface SortBenchOptions {
  /** Default 50. */
  readonly scenes?: number;
  /** Seed of the first scene; the others follow. Default 1. */
  readonly seed?: number;
  /** Simulated time a scene may take, s. Default 90. */
  readonly limitS?: number;
}

const share = (part: number, whole: number): string => `${part} of ${whole}`;
const seconds = (value: number): string => (Number.isNaN(value) ? '-' : `${value.toFixed(1)} s`);
const ofLimit = (value: number): string => value.toFixed(4);

/** Sorts seeded scenes with the scripted policy and the whole chain, in lock-step, faster than real time. */
export async function benchSort({
  scenes = 50,
  seed = 1,
  limitS = 90,
}: SortBenchOptions = {}): Promise<BenchTable[]> {
  const startedMs = performance.now();
  const outcomes: SortOutcome[] = [];
  for (let scene = 0; scene < scenes; scene++) {
    outcomes.push(await runSort(seed + scene, limitS, createScriptedPolicy));
  }
  const tookS = (performance.now() - startedMs) / 1000;
  return [table(outcomes, { scenes, seed, limitS, tookS })];
}

function table(
  outcomes: readonly SortOutcome[],
  {
    scenes,
    seed,
    limitS,
    tookS,
  }: { readonly scenes: number; readonly seed: number; readonly limitS: number; readonly tookS: number },
): BenchTable {
  const done = outcomes.filter(({ finishedS }) => finishedS !== undefined);
  const failed = outcomes.filter(({ finishedS }) => finishedS === undefined);
  const times = done.map(({ finishedS }) => finishedS ?? 0).sort((a, b) => a - b);
  const total = (key: 'sorted' | 'cubes' | 'chunksRefused') =>
    outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
  const most = (key: 'velocity' | 'acceleration' | 'jerk' | 'outside') =>
    Math.max(...outcomes.map((outcome) => outcome[key]));
  return {
    title: 'Scripted policy: sorting cubes in seeded scenes',
    command: `myelin bench sort --scenes ${scenes} --seed ${seed}`,
    columns: ['what', 'value'],
    rows: [
      ['scenes sorted', `${share(done.length, scenes)} (${((100 * done.length) / scenes).toFixed(0)} %)`],
      ['cubes sorted', share(total('sorted'), total('cubes'))],
      ['time to finish, p50', seconds(percentile(times, 0.5))],
      ['time to finish, p95', seconds(percentile(times, 0.95))],
      ['time to finish, longest', seconds(times.at(-1) ?? Number.NaN)],
      ['largest commanded velocity, share of limit', ofLimit(most('velocity'))],
      ['largest commanded acceleration, share of limit', ofLimit(most('acceleration'))],
      ['largest commanded jerk, share of limit', ofLimit(most('jerk'))],
      ['farthest commanded pose outside a joint range, rad or m', Math.max(0, most('outside')).toFixed(5)],
      ['chunks refused', total('chunksRefused')],
    ],
    notes: [
      `A scene is sorted when each of its cubes has come to rest in the bin of its colour within ${limitS} simulated seconds after START.`,
      'World, CAN bus with its bit timing, driver, controller at 500 Hz, segment, action plan and policy take turns in one process; an inference takes 20 ms of simulated time.',
      `Took ${tookS.toFixed(0)} s.`,
      ...(failed.length === 0
        ? []
        : [
            `Not sorted: ${failed.map(({ seed: scene, sorted, cubes, stopped }) => `scene ${scene} (${share(sorted, cubes)}${stopped === undefined ? '' : `, ended in ${stopped}`})`).join('; ')}.`,
          ]),
    ],
  };
}
