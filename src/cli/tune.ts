import { Command, InvalidArgumentError } from 'commander';
import { AGGREGATE_NAMES, type AggregateName } from '../core/aggregation.ts';
import { number, whole } from './option-values.ts';
import { USUAL_AXES } from './tune/settings.ts';

interface TuneFlags {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly loss: number;
  readonly modelMs: number;
  readonly fps: number;
  readonly error: number;
  readonly actionsPerChunk: readonly number[];
  readonly chunkSizeThreshold: readonly number[];
  readonly aggregateFnName: readonly AggregateName[];
  readonly scenes: number;
  readonly seed: number;
  readonly limit: number;
  readonly disturb: boolean;
  readonly sweepsOnly: boolean;
  readonly quick: boolean;
  readonly out: string;
}

const QUICK = { scenes: 1, limitS: 12 };

/** Values with commas between them, each once. */
const list =
  <T>(read: (text: string) => T) =>
  (text: string): T[] => [...new Set(text.split(',').map((part) => read(part.trim())))];

function aggregate(text: string): AggregateName {
  const name = AGGREGATE_NAMES.find((each) => each === text);
  if (name === undefined) throw new InvalidArgumentError(`must be some of ${AGGREGATE_NAMES.join(',')}.`);
  return name;
}

/** `myelin tune`: which queue settings suit a network and a model. */
export function tuneCommand(): Command {
  return new Command('tune')
    .description('Find queue settings for a network: sweeps on a simulated arm, a report with plots')
    .option('--latency-ms <ms>', 'a round trip to the server, without the model', number(0, 10_000), 80)
    .option('--jitter-ms <ms>', 'by how much it is shorter or longer', number(0, 10_000), 20)
    .option('--loss <share>', 'share of round trips that lose a packet, 0 to 1', number(0, 1), 0)
    .option('--model-ms <ms>', 'what an inference takes on the server', number(0, 60_000), 100)
    .option('--fps <hz>', 'actions a second', number(1, 200), 30)
    .option(
      '--error <rad>',
      'by how much chunks of the policy disagree, a second ahead',
      number(0, 0.5),
      0.01,
    )
    .option('--actions-per-chunk <list>', 'values to try', list(whole(1, 128)), [
      ...USUAL_AXES.actionsPerChunk,
    ])
    .option('--chunk-size-threshold <list>', 'values to try', list(number(0, 1)), [
      ...USUAL_AXES.chunkSizeThreshold,
    ])
    .option('--aggregate-fn-name <list>', 'values to try', list(aggregate), [...USUAL_AXES.aggregateName])
    .option('--scenes <n>', 'seeded scenes for each setting', whole(1, 1000), 5)
    .option('--seed <n>', 'seed of the first scene', whole(0, 1e6), 1)
    .option('--limit <s>', 'simulated time a scene may take', number(1, 600), 60)
    .option('--no-disturb', 'leave the cubes where they are while they are sorted')
    .option('--sweeps-only', 'one parameter at a time, not every combination', false)
    .option(
      '--quick',
      `a first impression: --sweeps-only --scenes ${QUICK.scenes} --limit ${QUICK.limitS}`,
      false,
    )
    .option('-o, --out <folder>', 'folder of the report', 'tune-report')
    .addHelpText(
      'after',
      `
Measure the latency first: myelin doctor --server HOST:PORT. Everything is simulated and seeded; no hardware is touched.

Example:
  myelin tune --latency-ms 80 --jitter-ms 20 --model-ms 120 --out tune-report`,
    )
    .action(async (flags: TuneFlags) => {
      const { runTune } = await import('./tune/tune-run.ts');
      const conditions = {
        network: {
          latencyMs: flags.latencyMs,
          jitterMs: flags.jitterMs,
          loss: flags.loss,
          modelMs: flags.modelMs,
        },
        seed: flags.seed,
        scenes: flags.quick ? Math.min(QUICK.scenes, flags.scenes) : flags.scenes,
        limitS: flags.quick ? Math.min(QUICK.limitS, flags.limit) : flags.limit,
        fps: flags.fps,
        errorRad: flags.error,
        chunkRows: Math.max(20, ...flags.actionsPerChunk),
        disturbed: flags.disturb,
      };
      process.exitCode = await runTune({
        axes: {
          actionsPerChunk: flags.actionsPerChunk,
          chunkSizeThreshold: flags.chunkSizeThreshold,
          aggregateName: flags.aggregateFnName,
        },
        conditions,
        sweepsOnly: flags.sweepsOnly || flags.quick,
        out: flags.out,
        command: commandLine({ ...flags, scenes: conditions.scenes, limit: conditions.limitS }),
      });
    });
}

/** The command that makes the same report. */
function commandLine(flags: TuneFlags): string {
  const { latencyMs, jitterMs, loss, modelMs, fps, error, scenes, seed, limit } = flags;
  const lists = [
    `--actions-per-chunk ${flags.actionsPerChunk.join(',')}`,
    `--chunk-size-threshold ${flags.chunkSizeThreshold.join(',')}`,
    `--aggregate-fn-name ${flags.aggregateFnName.join(',')}`,
  ];
  return [
    `myelin tune --latency-ms ${latencyMs} --jitter-ms ${jitterMs} --loss ${loss} --model-ms ${modelMs} --fps ${fps} --error ${error}`,
    ...lists,
    `--scenes ${scenes} --limit ${limit} --seed ${seed}`,
    ...(flags.sweepsOnly || flags.quick ? ['--sweeps-only'] : []),
    ...(flags.disturb ? [] : ['--no-disturb']),
  ].join(' ');
}
