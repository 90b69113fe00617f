import { type Setting, settingText } from './settings.ts';
import type { Trial } from './try-setting.ts';

/** A setting, and in sentences why this one. */
export interface Recommendation {
  readonly trial: Trial;
  readonly reasons: readonly string[];
}

/** Share of the cubes by which a setting may fall behind the best and still count as good. */
const TASK_SLACK = 0.05;
/** The same for the time the task takes. */
const TIME_SLACK = 0.1;
/** A queue that is empty for less of the time is as good as never empty. */
const EMPTY_SLACK = 0.01;
/** Motion this much rougher than the smoothest is still smooth. */
const JERK_SLACK = 1.5;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
export const taskShare = ({ cubesSorted, cubes }: Trial): number => cubesSorted / Math.max(1, cubes);

/**
 * Chooses: first what does the task, and in good time, then what keeps the queue filled, then what moves smoothly; of those, what reacts
 * fast and asks seldom, both in proportion to the best of them.
 */
export function recommend(trials: readonly Trial[]): Recommendation {
  if (trials.length === 0) throw new RangeError('nothing was tried');
  const bestTask = Math.max(...trials.map(taskShare));
  const able = trials.filter((trial) => taskShare(trial) >= bestTask - TASK_SLACK);
  const fastestS = Math.min(...able.map(({ finishedS }) => finishedS ?? Number.POSITIVE_INFINITY));
  const quick = Number.isFinite(fastestS)
    ? able.filter(({ finishedS }) => (finishedS ?? Number.POSITIVE_INFINITY) <= (1 + TIME_SLACK) * fastestS)
    : able;
  const leastEmpty = Math.min(...quick.map(({ emptyShare }) => emptyShare));
  const emptyLimit = Math.max(EMPTY_SLACK, leastEmpty);
  const filled = quick.filter(({ emptyShare }) => emptyShare <= emptyLimit);
  const leastJerk = Math.min(...filled.map(({ rmsJerk }) => rmsJerk));
  const smooth = filled.filter(({ rmsJerk }) => rmsJerk <= JERK_SLACK * leastJerk);
  const leastReactionS = Math.min(...smooth.map(({ reactionS }) => reactionS));
  const leastHz = Math.min(...smooth.map(({ observationHz }) => observationHz));
  const cost = ({ reactionS, observationHz }: Trial) => reactionS / leastReactionS + observationHz / leastHz;
  const trial = smooth.reduce((best, next) => (cost(next) < cost(best) ? next : best));
  return {
    trial,
    reasons: [
      `${able.length} of ${trials.length} settings sort as many cubes as the best, ${percent(bestTask)}, or at most ${percent(TASK_SLACK)} fewer.`,
      !Number.isFinite(fastestS)
        ? 'No scene was finished in the time there was, so how long it takes is not known; try --limit.'
        : `${quick.length} of those take at most ${percent(TIME_SLACK)} longer than the fastest, ${fastestS.toFixed(1)} s.`,
      leastEmpty <= EMPTY_SLACK
        ? `${filled.length} of those leave the queue empty for at most ${percent(EMPTY_SLACK)} of the time; here it is ${percent(trial.emptyShare)}.`
        : `Every one of those leaves the queue empty for at least ${percent(leastEmpty)} of the time: the answers take too long for these chunks. Try longer ones, a faster model or a nearer server.`,
      `${smooth.length} of those are within ${percent(JERK_SLACK - 1)} of the smoothest (RMS jerk ${leastJerk.toFixed(1)} rad/s^3); here it is ${trial.rmsJerk.toFixed(1)} rad/s^3.`,
      `Of those this one has the best balance of reacting (observations acted on are ${(1000 * trial.reactionS).toFixed(0)} ms old on average) and asking (${trial.observationHz.toFixed(1)} observations a second).`,
    ],
  };
}

/** Seconds of actions left when a chunk is asked for: what an answer may take before the queue is empty. */
export const reserveS = ({ actionsPerChunk, chunkSizeThreshold }: Setting, fps: number): number =>
  (actionsPerChunk * chunkSizeThreshold) / fps;

/** The worst queue of all, to show what it looks like. */
export const emptiest = (trials: readonly Trial[]): Trial =>
  trials.reduce((worst, next) => (next.emptyShare > worst.emptyShare ? next : worst));

export const trialName = ({ setting }: Trial): string => settingText(setting);
