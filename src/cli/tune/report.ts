import { type BenchTable, toMarkdown } from '../../core/bench-table.ts';
import { queuePlot } from '../../inference/queue-plot.ts';
import { barCharts } from './bar-chart.ts';
import { heatMap } from './heat-map.ts';
import { emptiest, type Recommendation, recommend, reserveS, taskShare, trialName } from './recommend.ts';
import { AXIS_FLAGS, AXIS_NAMES, type Axes, type AxisName, type Setting, settingText } from './settings.ts';
import type { Conditions, Trial } from './try-setting.ts';

export interface TuneResults {
  readonly command: string;
  readonly axes: Axes;
  /** Sweeps go through this setting. */
  readonly around: Setting;
  readonly conditions: Conditions;
  readonly trials: readonly Trial[];
}

/** Files of the report, by name. */
export type ReportFiles = ReadonlyMap<string, string>;

/** Two cameras of 640x480, RGB. */
const OBSERVATION_MB = (2 * 640 * 480 * 3) / 1e6;

const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;
const AXIS_TITLES: Readonly<Record<AxisName, string>> = {
  actionsPerChunk: 'actions per chunk',
  chunkSizeThreshold: 'chunk size threshold',
  aggregateName: 'aggregation',
};
const AXIS_FILES: Readonly<Record<AxisName, string>> = {
  actionsPerChunk: 'actions-per-chunk.svg',
  chunkSizeThreshold: 'chunk-size-threshold.svg',
  aggregateName: 'aggregation.svg',
};

const COLUMNS: readonly (readonly [title: string, cell: (trial: Trial) => string])[] = [
  ['queue empty', ({ emptyShare }) => percent(emptyShare)],
  ['RMS jerk, rad/s^3', ({ rmsJerk }) => rmsJerk.toFixed(1)],
  ['observations a second', ({ observationHz }) => observationHz.toFixed(2)],
  ['MB/s raw', ({ observationHz }) => (observationHz * OBSERVATION_MB).toFixed(1)],
  ['acts on what is, ms old', ({ reactionS }) => (1000 * reactionS).toFixed(0)],
  ['cubes sorted', ({ cubesSorted, cubes }) => `${cubesSorted} of ${cubes}`],
  ['scenes sorted', ({ scenesSorted, scenes }) => `${scenesSorted} of ${scenes}`],
  ['mean time, s', ({ finishedS }) => (finishedS === undefined ? '-' : finishedS.toFixed(1))],
];

/** The report in Markdown, its plots, and the numbers for programs. */
export function tuneReport(results: TuneResults): ReportFiles {
  const { axes, around, trials, conditions } = results;
  const recommendation = recommend(trials);
  const worst = emptiest(trials);
  const files = new Map<string, string>();
  for (const axis of AXIS_NAMES) files.set(AXIS_FILES[axis], sweepChart(axis, results));
  const map = emptyMap(axes, trials);
  if (map !== undefined) files.set('queue-empty.svg', map);
  for (const [file, { queue, setting }] of [
    ['queue-recommended.svg', recommendation.trial],
    ['queue-emptiest.svg', worst],
  ] as const)
    files.set(file, queuePlot(queue, setting.actionsPerChunk));
  files.set('report.md', markdown(results, recommendation, worst, map !== undefined));
  files.set(
    'results.json',
    `${JSON.stringify(
      {
        conditions,
        around,
        recommended: recommendation.trial.setting,
        reasons: recommendation.reasons,
        trials: trials.map(({ queue: _, ...trial }) => trial),
      },
      undefined,
      2,
    )}\n`,
  );
  return files;
}

/** The trials of one axis, in its order, where the other parameters are as in the middle. */
const sweepOf = (axis: AxisName, { axes, around, trials }: TuneResults): Trial[] =>
  (axes[axis] as readonly (string | number)[]).flatMap(
    (value) =>
      trials.find(({ setting }) =>
        AXIS_NAMES.every((name) => setting[name] === (name === axis ? value : around[name])),
      ) ?? [],
  );

const others = (axis: AxisName, around: Setting): string =>
  AXIS_NAMES.filter((name) => name !== axis)
    .map((name) => `${AXIS_TITLES[name]} ${around[name]}`)
    .join(', ');

function sweepChart(axis: AxisName, results: TuneResults): string {
  const swept = sweepOf(axis, results);
  const labels = swept.map(({ setting }) => String(setting[axis]));
  const panel = (title: string, value: (trial: Trial) => number, show: (value: number) => string) => ({
    title,
    labels,
    values: swept.map(value),
    show,
  });
  return barCharts(
    `By ${AXIS_TITLES[axis]}`,
    `${others(axis, results.around)}; orange: as in the other sweeps`,
    [
      { ...panel('queue empty', ({ emptyShare }) => emptyShare, percent), most: undefined },
      panel(
        'RMS jerk, rad/s³',
        ({ rmsJerk }) => rmsJerk,
        (value) => value.toFixed(1),
      ),
      panel(
        'observations a second',
        ({ observationHz }) => observationHz,
        (value) => value.toFixed(2),
      ),
      { ...panel('cubes sorted', taskShare, (value) => percent(value, 0)), most: 1 },
    ].map(({ most, ...rest }: { most?: number | undefined } & ReturnType<typeof panel>) =>
      most === undefined ? rest : { ...rest, most },
    ),
    labels.indexOf(String(results.around[axis])),
  );
}

/** How long the queue is empty by both sizes, over all aggregations; undefined when not all pairs were tried. */
function emptyMap(
  { actionsPerChunk, chunkSizeThreshold }: Axes,
  trials: readonly Trial[],
): string | undefined {
  const values = chunkSizeThreshold.map((threshold) =>
    actionsPerChunk.map((actions) => {
      const cell = trials.filter(
        ({ setting }) => setting.actionsPerChunk === actions && setting.chunkSizeThreshold === threshold,
      );
      return cell.reduce((sum, { emptyShare }) => sum + emptyShare, 0) / cell.length;
    }),
  );
  if (values.flat().some(Number.isNaN)) return undefined;
  return heatMap({
    title: 'Share of the time in which the queue is empty',
    rowTitle: 'threshold',
    columnTitle: 'actions per chunk',
    rows: chunkSizeThreshold.map(String),
    columns: actionsPerChunk.map(String),
    values,
    show: (value) => percent(value, 2),
    dark: 0.05,
  });
}

function markdown(
  results: TuneResults,
  { trial, reasons }: Recommendation,
  worst: Trial,
  hasMap: boolean,
): string {
  const { command, conditions, around, trials } = results;
  const { network, scenes, seed, limitS, fps, errorRad, disturbed } = conditions;
  const { latencyMs, jitterMs, loss, modelMs } = network;
  const { actionsPerChunk, chunkSizeThreshold, aggregateName } = trial.setting;
  const reserveMs = 1000 * reserveS(trial.setting, fps);
  const answerMs = latencyMs + jitterMs + modelMs;
  const table = (
    title: string,
    of: readonly Trial[],
    notes: readonly string[],
    column: (trial: Trial) => string,
  ) =>
    toMarkdown({
      title,
      command,
      columns: ['setting', ...COLUMNS.map(([name]) => name)],
      rows: of.map((each) => [column(each), ...COLUMNS.map(([, cell]) => cell(each))]),
      notes,
    } satisfies BenchTable).replace(`\`${command}\`\n\n`, '');
  return [
    '# Tuning asynchronous inference',
    '',
    `Recommended: \`${AXIS_FLAGS.actionsPerChunk} ${actionsPerChunk} ${AXIS_FLAGS.chunkSizeThreshold} ${chunkSizeThreshold} ${AXIS_FLAGS.aggregateName} ${aggregateName}\``,
    '',
    ...reasons.map((reason) => `- ${reason}`),
    `- When a chunk is asked for, ${reserveMs.toFixed(0)} ms of actions are left; an answer takes up to ${answerMs.toFixed(0)} ms${loss > 0 ? ', more when a packet is lost' : ''}.`,
    '',
    `\`${command}\``,
    '',
    `Conditions: a round trip of ${latencyMs} ms, shorter or longer by up to ${jitterMs} ms; ${percent(loss)} of them lose a packet; the model takes ${modelMs} ms; ${fps} actions a second.`,
    `${scenes} ${scenes === 1 ? 'scene' : 'scenes'} from seed ${seed}, ${limitS} simulated seconds each at most; ${disturbed ? 'a cube is put elsewhere every 4 s, 5 times' : 'nothing is disturbed'}.`,
    `The policy is the scripted one with an error of its own in every chunk: ${errorRad} rad a joint (standard deviation) a second ahead, a quarter of that at once.`,
    'Everything is simulated and in lock-step, so the same command gives the same report. A real policy and arm differ: take the order of the settings from here, and the last word from `--debug-visualize-queue-size`.',
    '',
    ...AXIS_NAMES.flatMap((axis) => [
      table(
        `By ${AXIS_TITLES[axis]}`,
        sweepOf(axis, results),
        [`The others: ${others(axis, around)}.`],
        ({ setting }) => String(setting[axis]),
      ),
      `![By ${AXIS_TITLES[axis]}](${AXIS_FILES[axis]})`,
      '',
    ]),
    ...(hasMap
      ? ['## Both sizes', '', '![Share of the time in which the queue is empty](queue-empty.svg)', '']
      : []),
    '## The queue over time',
    '',
    `As recommended (${trialName(trial)}):`,
    '',
    '![Queue as recommended](queue-recommended.svg)',
    '',
    `The emptiest (${trialName(worst)}):`,
    '',
    '![The emptiest queue](queue-emptiest.svg)',
    '',
    table(
      'All settings',
      trials,
      [`MB/s raw: two pictures of 640x480, not compressed, an observation.`],
      ({ setting }) => settingText(setting),
    ),
  ].join('\n');
}
