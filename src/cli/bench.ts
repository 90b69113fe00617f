import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, type as osType, release, totalmem } from 'node:os';
import { Command } from 'commander';
import { type BenchTable, toMarkdown } from '../core/bench-table.ts';
import { MyelinError } from '../core/errors.ts';
import type { Load } from './bench/load.ts';
import { addModelFlags, type ModelFlags, modelOptions } from './model-flags.ts';

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

/** Says a row as soon as it is known, aside from the tables, which come when all of it is. */
const sayRow = (row: readonly (string | number)[]): void => {
  process.stderr.write(`${row.join('  ')}\n`);
};

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
  /** Whether it takes more memory than most machines have: `all` leaves it out then. */
  readonly large?: boolean;
  readonly run: (options: Readonly<Record<string, string>>) => Promise<readonly BenchTable[]>;
}

/** A model measured beside LeRobot's PyTorch. */
const besidePyTorch = (
  contest: 'ACT' | 'SMOLVLA' | 'PI05' | 'DIFFUSION',
  name: string,
  what: string,
  repeats: string,
  more: Part['options'] = [],
): Part => ({
  name,
  description: `${what}, random weights, beside LeRobot's PyTorch on the same CPU`,
  options: [
    ['--python <path>', 'a Python with torch', 'python3'],
    ['--lerobot-src <path>', "LeRobot's source folder; without it only this side is measured", ''],
    ['--repeats <n>', 'inferences', repeats],
    ['--starts <n>', 'starts of each program, for the time to the first action', '3'],
    ['--folder <path>', 'where the checkpoint is kept for another time (default: thrown away)', ''],
    ...more,
  ],
  run: async ({ python = 'python3', lerobotSrc = '', vlacpp = '', folder = '', repeats, starts }) => {
    const { benchBesidePyTorch } = await import('./bench/beside-pytorch.ts');
    const contests = await import('./bench/contests.ts');
    return benchBesidePyTorch(contests[contest], {
      python,
      ...(lerobotSrc === '' ? {} : { lerobotSource: lerobotSrc }),
      ...(vlacpp === '' ? {} : { vlaCpp: vlacpp }),
      ...(folder === '' ? {} : { folder }),
      repeats: Number(repeats),
      starts: Number(starts),
    });
  },
});

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
      [
        '--loads <list>',
        'what runs beside: idle, system (cameras and a policy), full, allocating',
        'idle,system,full',
      ],
    ],
    run: async ({ seconds, frequencies, loads = '' }) =>
      (await import('./bench/control.ts')).benchControl({
        seconds: Number(seconds),
        frequencies: wholeList('--frequencies', frequencies ?? ''),
        loads: loads.split(',') as Load[],
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
  besidePyTorch('ACT', 'act', 'a full-size ACT model', '20'),
  besidePyTorch('DIFFUSION', 'diffusion', 'a full-size diffusion policy with ten steps of DDIM', '5'),
  besidePyTorch('SMOLVLA', 'smolvla', 'a full-size SmolVLA model (0.9 GB)', '5', [
    ['--vlacpp <program>', 'a program made of tools/parity/time_vlacpp.cpp, to measure vla.cpp too', ''],
  ]),
  { ...besidePyTorch('PI05', 'pi05', 'a full-size pi0.5 model (7 GB; takes 16 GiB)', '2'), large: true },
  {
    name: 'quantize',
    description: 'what --quantize int8 and int4 cost in accuracy, and gain in time and memory',
    options: [
      ['-c, --checkpoint <path>', 'checkpoint to measure (default: a full-size ACT with random weights)', ''],
      ['--repeats <n>', 'inferences that are timed', '10'],
    ],
    run: async ({ checkpoint = '', repeats }) =>
      (await import('./bench/quantize.ts')).benchQuantize({
        ...(checkpoint === '' ? {} : { checkpoint }),
        repeats: Number(repeats),
      }),
  },
  {
    name: 'serving',
    description: "LeRobot's protocol with a policy that does nothing: their server and client beside ours",
    options: [
      ['--requests <n>', 'requests of each client', '300'],
      ['--clients <list>', 'numbers of clients', '1,8'],
      ['--python <path>', 'a Python with torch, grpcio and protobuf', ''],
      [
        '--lerobot-src <path>',
        "the folder of LeRobot's package, 0.6; without it only this side is measured",
        '',
      ],
    ],
    run: async ({ requests, clients, python = '', lerobotSrc = '' }) =>
      (await import('./bench/serving.ts')).benchServing({
        requests: Number(requests),
        clients: wholeList('--clients', clients ?? ''),
        onRow: sayRow,
        ...(python === '' || lerobotSrc === '' ? {} : { python, lerobot: lerobotSrc }),
      }),
  },
  {
    name: 'serving-openpi',
    description: "round trips over openpi and pi0.5, beside openpi's own server and client",
    options: [
      ['--python <path>', "a Python with openpi-client; without it only Myelin's client drives", ''],
      ['--openpi-server <file>', "openpi's websocket_policy_server.py; without it only Myelin serves", ''],
      ['--requests <n>', 'requests of each client', '1000'],
      ['--clients <list>', 'numbers of clients at once', '1,8'],
    ],
    run: async ({ python = '', openpiServer = '', requests, clients = '' }) =>
      (await import('./bench/serving-openpi.ts')).benchServingOpenpi({
        ...(python === '' ? {} : { python }),
        ...(openpiServer === '' ? {} : { openpiServer }),
        requests: Number(requests),
        clients: wholeList('--clients', clients),
        onRow: sayRow,
      }),
  },
  {
    name: 'remote',
    description:
      'remote control beside a Python server of the same shape: calls, uploads, stops, coming back',
    options: [
      ['--calls <n>', 'calls of each row', '2000'],
      ['--sizes <list>', 'sizes of uploads, MB', '1,10,100'],
      ['--uploads <n>', 'uploads of 1 MB; larger ones are fewer, three at least', '20'],
      ['--reconnects <n>', 'times that a client connects anew', '50'],
      ['--rollbacks <n>', 'times that a version is rolled back', '10'],
    ],
    run: async ({ calls, sizes = '', uploads, reconnects, rollbacks }) =>
      (await import('./bench/remote.ts')).benchRemote({
        calls: Number(calls),
        sizes: wholeList('--sizes', sizes),
        uploads: Number(uploads),
        reconnects: Number(reconnects),
        rollbacks: Number(rollbacks),
        onRow: sayRow,
      }),
  },
];

interface CheckpointOptions extends ModelFlags {
  readonly checkpoint?: string;
  readonly flowSteps: string;
  readonly components: boolean;
  readonly inferenceFreq: string;
  readonly repeats: string;
  readonly write?: string;
}

/** `myelin bench`: a checkpoint's latency by default, and the parts of the runtime by name. */
export function benchCommand(): Command {
  const bench = new Command('bench');
  addModelFlags(bench)
    .description('Measure: a checkpoint (-c), or a part of the runtime by name')
    .option('-c, --checkpoint <path>', 'checkpoint to measure')
    .option('--flow-steps <list>', 'numbers of denoising steps to try', '5,10,15,20')
    .option('--components', 'show every stage: capture, preprocess, each model stage, post-process', false)
    .option('--inference-freq <hz>', 'rate to recommend a step count for', '30')
    .option('--repeats <n>', 'inferences per row', '20')
    .option('--write <file>', 'also keep the tables in this Markdown file')
    .enablePositionalOptions()
    .hook('preAction', async () => (await import('./bench/scratch.ts')).tidyUpWhenInterrupted())
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
        model: modelOptions(options),
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
      .description('every part but those that take 16 GiB, one after the other, with its defaults')
      .option('--write <file>', 'also keep the tables in this Markdown file')
      .action(async (options: { write?: string }) => {
        for (const part of PARTS.filter(({ large }) => !large)) {
          const defaults = part.options.map(([flags, , standard]) => [optionName(flags), standard]);
          publish(await part.run(Object.fromEntries(defaults)), options.write);
        }
      }),
  );
  return bench;
}

/** `--lerobot-src <path>` is `lerobotSrc`, as commander names it. */
const optionName = (flags: string): string =>
  (/--([\w-]+)/.exec(flags)?.[1] ?? '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
