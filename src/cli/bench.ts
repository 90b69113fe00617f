import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, type as osType, release, totalmem } from 'node:os';
import { Command } from 'commander';
import { type BenchTable, toMarkdown } from '../core/bench-table.ts';
import { MyelinError } from '../core/errors.ts';

const machine = (): string => {
  const cpu = cpus();
  return `${cpu.length} x ${cpu[0]?.model ?? arch()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${osType()} ${release()}, Node ${process.versions.node}`;
};

/** Prints the tables, and replaces the sections of the same titles in the file when one is given. */
function publish(tables: readonly BenchTable[], file: string | undefined): void {
  for (const table of tables) process.stdout.write(`${toMarkdown(table)}\n`);
  if (file === undefined) return;
  const intro =
    '# Benchmarks\n\nEvery table names the command that made it. Times on shared virtual machines are noisy; read ratios first.\n\n';
  let text = existsSync(file) ? readFileSync(file, 'utf8') : intro;
  const day = new Date().toISOString().slice(0, 10);
  for (const table of tables) {
    const section = toMarkdown({ ...table, notes: [...table.notes, `Measured ${day} on ${machine()}.`] });
    const start = text.indexOf(`## ${table.title}\n`);
    const next = start < 0 ? -1 : text.indexOf('\n## ', start + 1);
    text =
      start < 0
        ? `${text.trimEnd()}\n\n${section}`
        : `${text.slice(0, start)}${section}${next < 0 ? '' : text.slice(next)}`;
  }
  writeFileSync(file, `${text.trimEnd()}\n`);
}

const wholeList = (name: string, text: string): number[] =>
  text.split(',').map((part) => {
    const value = Number(part);
    if (!Number.isInteger(value) || value < 1) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name,
        value: text,
        allowed: 'whole numbers, for example 5,10,15,20',
      });
    }
    return value;
  });

/** A benchmark of a part of the runtime: its options and how it is run with them. */
interface Part {
  readonly name: string;
  readonly description: string;
  readonly options: readonly (readonly [flags: string, description: string, standard: string])[];
  readonly run: (options: Readonly<Record<string, string>>) => Promise<readonly BenchTable[]>;
}

const PARTS: readonly Part[] = [
  {
    name: 'segment',
    description: 'shared memory: reads, writes, chunks between processes, torn reads',
    options: [['--reads <n>', 'checked reads beside a live writer', '100000000']],
    run: async ({ reads }) => (await import('./bench/segment.ts')).benchSegment({ reads: Number(reads) }),
  },
  {
    name: 'control',
    description:
      'the control loop beside a C and a Python loop, idle and under load, with and without SCHED_FIFO',
    options: [
      ['--seconds <s>', 'measured time of each loop under each condition', '60'],
      ['--frequencies <list>', 'rates, Hz', '500,1000'],
    ],
    run: async ({ seconds, frequencies }) =>
      (await import('./bench/control.ts')).benchControl({
        seconds: Number(seconds),
        frequencies: wholeList('--frequencies', frequencies ?? ''),
      }),
  },
  {
    name: 'world',
    description: 'physics step, bus, camera pictures',
    options: [['--repeats <n>', 'repeats of what takes long', '200']],
    run: async ({ repeats }) => (await import('./bench/world.ts')).benchWorld({ repeats: Number(repeats) }),
  },
  {
    name: 'sort',
    description: 'the scripted policy in seeded scenes, faster than real time',
    options: [
      ['--scenes <n>', 'scenes', '50'],
      ['--seed <n>', 'seed of the first scene', '1'],
    ],
    run: async ({ scenes, seed }) =>
      (await import('./bench/sort.ts')).benchSort({ scenes: Number(scenes), seed: Number(seed) }),
  },
  {
    name: 'act',
    description: "a full-size ACT model (random weights) beside LeRobot's PyTorch on the same CPU",
    options: [
      ['--python <path>', 'a Python with torch', 'python3'],
      ['--lerobot-src <path>', "LeRobot's source folder; without it only this side is measured", ''],
      ['--repeats <n>', 'inferences', '20'],
    ],
    run: async ({ python = 'python3', lerobotSrc = '', repeats }) =>
      (await import('./bench/policy.ts')).benchActBesidePyTorch({
        python,
        ...(lerobotSrc === '' ? {} : { lerobotSource: lerobotSrc }),
        repeats: Number(repeats),
      }),
  },
];

interface CheckpointOptions {
  readonly checkpoint?: string;
  readonly flowSteps: string;
  readonly components: boolean;
  readonly inferenceFreq: string;
  readonly repeats: string;
  readonly write?: string;
}

/** `myelin bench`: a checkpoint's latency by default, and the parts of the runtime by name. */
export function benchCommand(): Command {
  const bench = new Command('bench')
    .description('Measure: a checkpoint (-c), or a part of the runtime by name')
    .option('-c, --checkpoint <path>', 'checkpoint to measure')
    .option('--flow-steps <list>', 'numbers of denoising steps to try', '5,10,15,20')
    .option('--components', 'show every stage: capture, preprocess, each model stage, post-process', false)
    .option('--inference-freq <hz>', 'rate to recommend a step count for', '30')
    .option('--repeats <n>', 'inferences per row', '20')
    .option('--write <file>', 'also keep the tables in this Markdown file')
    .enablePositionalOptions()
    .addHelpText(
      'after',
      `
Examples:
  myelin bench -c ./checkpoint --flow-steps 5,10,15,20 --components
  myelin bench control --seconds 60
  myelin bench sort --scenes 50
  myelin bench all --write docs/benchmarks.md`,
    )
    .action(async (options: CheckpointOptions) => {
      if (options.checkpoint === undefined) return bench.help({ error: true });
      const { benchPolicy } = await import('./bench/policy.ts');
      const tables = await benchPolicy({
        checkpoint: options.checkpoint,
        flowSteps: wholeList('--flow-steps', options.flowSteps),
        components: options.components,
        frequencyHz: Number(options.inferenceFreq),
        repeats: Number(options.repeats),
      });
      publish(tables, options.write);
    });

  for (const part of PARTS) {
    const command = new Command(part.name).description(part.description);
    for (const [flags, description, standard] of part.options) command.option(flags, description, standard);
    command.option('--write <file>', 'also keep the tables in this Markdown file');
    command.action(async (options: Record<string, string>) =>
      publish(await part.run(options), options.write),
    );
    bench.addCommand(command);
  }
  bench.addCommand(
    new Command('all')
      .description('every part, one after the other, with its defaults')
      .option('--write <file>', 'also keep the tables in this Markdown file')
      .action(async (options: { write?: string }) => {
        for (const part of PARTS) {
          const defaults = part.options.map(([flags, , standard]) => [optionName(flags), standard]);
          publish(await part.run(Object.fromEntries(defaults)), options.write);
        }
      }),
  );
  return bench;
}

/** `--lerobot-src <path>` is `lerobotSrc`, as commander names it. */
const optionName = (flags: string): string =>
  (flags.split(' ')[0] ?? '').slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
