import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { createScriptedPolicy } from '../../policies/scripted/scripted-policy.ts';
import { MOVE_EVERY_S, MOVED_CUBES, MOVES } from './moved-cubes.ts';
import { runSort, type SortConditions, type SortOutcome } from './sort-run.ts';

export interface SortBenchOptions {
  /** Default 50. */
  readonly scenes?: number;
  /** Seed of the first scene; the others follow. Default 1. */
  readonly seed?: number;
  /** Simulated time a scene may take, s. Default 90. */
  readonly limitS?: number;
}

/** What the scenes are sorted under, one column each. */
const CONDITIONS: readonly (readonly [name: string, conditions: Omit<SortConditions, 'limitS'>])[] = [
  ['undisturbed', { latencyS: 0.02 }],
  ['inference takes 0.3 s', { latencyS: 0.3 }],
  ['cubes are moved', { latencyS: 0.02, disturbance: MOVED_CUBES }],
];

/** Sorts seeded scenes with the scripted policy and the whole chain, in lock-step, faster than real time. */
export async function benchSort({
  scenes = 50,
  seed = 1,
  limitS = 90,
}: SortBenchOptions = {}): Promise<BenchTable[]> {
  const startedMs = performance.now();
  const columns: SortOutcome[][] = [];
  for (const [, conditions] of CONDITIONS) {
    const outcomes: SortOutcome[] = [];
    for (let scene = seed; scene < seed + scenes; scene++) {
      outcomes.push(await runSort(scene, { limitS, ...conditions }, createScriptedPolicy));
    }
    columns.push(outcomes);
  }
  const tookS = (performance.now() - startedMs) / 1000;
  return [
    {
      title: 'Scripted policy: sorting cubes in seeded scenes',
      command: `myelin bench sort --scenes ${scenes} --seed ${seed}`,
      columns: ['what', ...CONDITIONS.map(([name]) => name)],
      rows: ROWS.map(([what, value]) => [what, ...columns.map(value)]),
      notes: [
        `A scene is sorted when each of its cubes has come to lie in the bin of its colour within ${limitS} simulated seconds after START.`,
        'World, CAN bus with its bit timing, driver, controller at 500 Hz, segment, action plan and policy take turns in one process; undisturbed, an inference takes 20 ms of simulated time.',
        `Moved: every ${MOVE_EVERY_S} s, ${MOVES} times, the first cube that is not sorted yet is put somewhere else, out of the gripper if need be.`,
        'Velocity, acceleration and jerk are those of the commanded poses, by finite differences over every tick of every scene. Commands begin where the arm is found, and a closed gripper reads a few micrometres beyond closed.',
        `Took ${tookS.toFixed(0)} s.`,
        ...columns.flatMap((outcomes, index) => failures(CONDITIONS[index]?.[0] ?? '', outcomes)),
      ],
    },
  ];
}

type Cell = (outcomes: readonly SortOutcome[]) => string | number;

const isSorted = ({ finishedS }: SortOutcome): boolean => finishedS !== undefined;
const sum = (outcomes: readonly SortOutcome[], value: (outcome: SortOutcome) => number): number =>
  outcomes.reduce((total, outcome) => total + value(outcome), 0);
/** To so many digits that a limit broken by a hair does not read as one that was kept. */
const most = (outcomes: readonly SortOutcome[], value: (outcome: SortOutcome) => number): string =>
  Math.max(...outcomes.map(value)).toFixed(6);
const finishTime = (outcomes: readonly SortOutcome[], share: number): string => {
  const times = outcomes.flatMap(({ finishedS }) => finishedS ?? []).sort((a, b) => a - b);
  return times.length === 0 ? '-' : `${percentile(times, share).toFixed(1)} s`;
};

const ROWS: readonly (readonly [what: string, value: Cell])[] = [
  [
    'scenes sorted',
    (all) => {
      const done = all.filter(isSorted).length;
      return `${done} of ${all.length} (${((100 * done) / all.length).toFixed(0)} %)`;
    },
  ],
  ['cubes sorted', (all) => `${sum(all, ({ sorted }) => sorted)} of ${sum(all, ({ cubes }) => cubes)}`],
  ['time to finish, p50', (all) => finishTime(all, 0.5)],
  ['time to finish, p95', (all) => finishTime(all, 0.95)],
  ['time to finish, longest', (all) => finishTime(all, 1)],
  ['largest velocity, share of its limit', (all) => most(all, ({ velocity }) => velocity)],
  ['largest acceleration, share of its limit', (all) => most(all, ({ acceleration }) => acceleration)],
  ['largest jerk, share of its limit', (all) => most(all, ({ jerk }) => jerk)],
  ['farthest outside a joint range, rad or m', (all) => most(all, ({ outside }) => Math.max(0, outside))],
  ['chunks refused', (all) => sum(all, ({ chunksRefused }) => chunksRefused)],
];

function failures(condition: string, outcomes: readonly SortOutcome[]): string[] {
  const failed = outcomes.filter((outcome) => !isSorted(outcome));
  if (failed.length === 0) return [];
  const scenes = failed.map(({ seed, sorted, cubes, stopped }) => {
    const ending = stopped === undefined ? '' : `, ended in ${stopped}`;
    return `scene ${seed} (${sorted} of ${cubes} cubes${ending})`;
  });
  return [`Not sorted, ${condition}: ${scenes.join('; ')}.`];
}
