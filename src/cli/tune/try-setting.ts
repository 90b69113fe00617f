import { armDescription } from '../../arms/catalogue.ts';
import { controlDefaults } from '../../control/control-config.ts';
import type { QueueSample } from '../../inference/queue-plot.ts';
import { createScriptedPolicy } from '../../policies/scripted/scripted-policy.ts';
import { seededRandom } from '../../world/random.ts';
import { MOVED_CUBES } from '../bench/moved-cubes.ts';
import { runSort } from '../bench/sort-run.ts';
import { JerkMeter } from './jerk-meter.ts';
import { answerTimes, type NetworkOptions } from './network.ts';
import type { Setting } from './settings.ts';
import { waveringPolicy } from './wavering-policy.ts';

/** What all settings are tried under. */
export interface Conditions {
  readonly network: NetworkOptions;
  /** Seed of the first scene; the others follow. */
  readonly seed: number;
  readonly scenes: number;
  /** Simulated time a scene may take, s. */
  readonly limitS: number;
  /** Actions a second. */
  readonly fps: number;
  /** How much chunks disagree, rad. */
  readonly errorRad: number;
  /** Rows the policy gives: the longest chunk that is tried. */
  readonly chunkRows: number;
  /** Whether cubes are moved away meanwhile. */
  readonly disturbed: boolean;
}

/** What a setting did in all scenes. */
export interface Trial {
  readonly setting: Setting;
  /** Share of the time, after the first chunk, in which nothing was queued, 0 to 1. */
  readonly emptyShare: number;
  /** Of the commanded arm joints, rad/s^3. */
  readonly rmsJerk: number;
  /** Observations sent a second. */
  readonly observationHz: number;
  /** Mean age of the newest observation that is acted on, s: how late the arm notices a change. */
  readonly reactionS: number;
  readonly cubesSorted: number;
  readonly cubes: number;
  readonly scenesSorted: number;
  readonly scenes: number;
  /** Mean time of the sorted scenes, s; undefined when none was. */
  readonly finishedS: number | undefined;
  /** The queue of the first scene. */
  readonly queue: readonly QueueSample[];
}

const PERIOD_S = 1 / controlDefaults.controlFrequencyHz;
const SAMPLE_EVERY = 10;

/** Sorts the scenes with one setting. Simulated and in lock-step: the same every time. */
export async function trySetting(setting: Setting, conditions: Conditions): Promise<Trial> {
  const { network, seed, scenes, limitS, fps, errorRad, chunkRows, disturbed } = conditions;
  const { armDof } = armDescription('X5');
  const queue: QueueSample[] = [];
  const sum = { ticks: 0, empty: 0, ageS: 0, runS: 0, inferences: 0, squares: 0, jerks: 0 };
  const done = { cubes: 0, sorted: 0, scenes: 0, finishedS: 0 };
  for (let scene = 0; scene < scenes; scene++) {
    const sceneSeed = seed + scene;
    const jerk = new JerkMeter(armDof, PERIOD_S);
    let ticks = 0;
    const outcome = await runSort(
      sceneSeed,
      {
        limitS,
        latencyS: answerTimes(network, seededRandom(2 * sceneSeed)),
        queue: setting,
        ...(disturbed ? { disturbance: MOVED_CUBES } : {}),
        watch: ({ atS, queueDepth, observationAgeS, commanded }) => {
          jerk.add(commanded);
          ticks += 1;
          if (observationAgeS === undefined) return;
          if (scene === 0 && ticks % SAMPLE_EVERY === 0) queue.push({ atS, depth: queueDepth });
          sum.ticks += 1;
          sum.ageS += observationAgeS;
          if (queueDepth === 0) sum.empty += 1;
        },
      },
      (parts) =>
        waveringPolicy(
          createScriptedPolicy({ ...parts, stepPeriodS: 1 / fps, chunkRows }),
          errorRad,
          armDof,
          seededRandom(2 * sceneSeed + 1),
        ),
    );
    sum.runS += ticks * PERIOD_S;
    sum.inferences += outcome.inferences;
    sum.squares += jerk.total.sum;
    sum.jerks += jerk.total.count;
    done.cubes += outcome.cubes;
    done.sorted += outcome.sorted;
    if (outcome.finishedS !== undefined) {
      done.scenes += 1;
      done.finishedS += outcome.finishedS;
    }
  }
  return {
    setting,
    emptyShare: sum.empty / Math.max(1, sum.ticks),
    rmsJerk: Math.sqrt(sum.squares / Math.max(1, sum.jerks)),
    observationHz: sum.inferences / Math.max(PERIOD_S, sum.runS),
    reactionS: sum.ageS / Math.max(1, sum.ticks),
    cubesSorted: done.sorted,
    cubes: done.cubes,
    scenesSorted: done.scenes,
    scenes,
    finishedS: done.scenes === 0 ? undefined : done.finishedS / done.scenes,
    queue,
  };
}
