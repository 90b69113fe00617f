import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { BenchTable } from '../../core/bench-table.ts';
import { packageRoot } from '../../platform/entry.ts';
import { openPolicy } from '../../policies/open-policy.ts';
import { type Contestant, ownCommand, startContestant } from './contestant.ts';
import { type Contest, taskTokens } from './contests.ts';
import { PERCENTILES, SEED, statistics } from './policy.ts';
import { removeScratch, scratchFolder } from './scratch.ts';
import { vlaCppCommand, writeVlaCppInputs } from './vlacpp.ts';

export interface ContestOptions {
  /** A Python with PyTorch, torchvision and what LeRobot imports: tools/parity/README.md. */
  readonly python: string;
  /** LeRobot's `src` folder. Without it only this side is measured. */
  readonly lerobotSource?: string;
  /** A program made of `tools/parity/time_vlacpp.cpp`; SmolVLA only. */
  readonly vlaCpp?: string;
  /** Inferences. Default 20. */
  readonly repeats?: number;
  /** Times that each program is started for its first action. Default 3. */
  readonly starts?: number;
  /** Where the checkpoint lies, or is to be kept. Default: made and thrown away. */
  readonly folder?: string;
}

/** An engine with what it runs. */
interface Entrant {
  readonly name: string;
  readonly command: readonly string[];
  readonly line?: string;
}

/** What was seen of an entrant. */
interface Record {
  readonly entrant: Entrant;
  name: string;
  actions: readonly number[];
  loadS: number[];
  firstS: number[];
  programS: number[];
  times: number[];
  peakMiB: number;
}

const COLUMNS = ['engine', 'load s', 'first action s', 'program start to it s', ...PERCENTILES, 'peak MiB'];

/**
 * A full-size model of seeded weights here and in LeRobot's PyTorch, each in a process of its own, turn by turn in one
 * run on the same cores: how long from opening and from starting the program to the first action, how long each
 * inference takes, and how far their answers differ.
 */
export async function benchBesidePyTorch(contest: Contest, options: ContestOptions): Promise<BenchTable[]> {
  const { repeats = 20, starts = 3 } = options;
  const threads = availableParallelism();
  const folder = options.folder ?? scratchFolder();
  const order = contest.apart ? 'one engine after the other' : 'turn by turn';
  const notes: string[] = [
    `${threads} thread(s) each, ${repeats} inferences each, ${order}, every engine in a process of its own.`,
    `Load, first action: from opening the checkpoint, whose files the machine had in memory; medians of ${starts} start(s).`,
  ];
  try {
    if (!existsSync(join(folder, 'model.safetensors'))) await contest.create(folder);
    for (const quantize of contest.quantized) await (await openPolicy(folder, { quantize })).close();
    const records: Record[] = [];
    for (const entrant of await entrants(contest, options, folder, threads, notes)) {
      records.push({
        entrant,
        name: entrant.name,
        actions: [],
        loadS: [],
        firstS: [],
        programS: [],
        times: [],
        peakMiB: 0,
      });
    }
    // Those that cannot run here are told of and left out.
    const able = new Set(records);
    const groups = contest.apart ? records.map((record) => [record]) : [records];
    for (let again = 1; again < starts; again++) {
      for (const record of records) if (able.has(record)) await withStarted([record], able, notes, noRounds);
    }
    for (const group of groups) {
      const present = group.filter((record) => able.has(record));
      await withStarted(present, able, notes, async (running) => playRounds(running, repeats));
    }
    const measured = records.filter((record) => able.has(record));
    noteDifferences(measured, notes);
    return [tableOf(contest, options, repeats, measured, notes)];
  } finally {
    if (options.folder === undefined) removeScratch(folder);
  }
}

async function entrants(
  contest: Contest,
  { python, lerobotSource, vlaCpp }: ContestOptions,
  folder: string,
  threads: number,
  notes: string[],
): Promise<Entrant[]> {
  const { own, quantized, script, line } = contest;
  const list: Entrant[] = [
    { name: 'Myelin', command: ownCommand({ ...own, checkpoint: folder, threads }) },
    ...quantized.map((quantize) => ({
      name: `Myelin, ${quantize}`,
      command: ownCommand({ ...own, checkpoint: folder, threads, quantize }),
    })),
  ];
  const tokens = await taskTokens(folder, own.task);
  if (lerobotSource === undefined) {
    notes.push('PyTorch not measured: give --lerobot-src (and --python); see tools/parity/README.md.');
  } else {
    const program = [python, join(packageRoot(), 'tools/parity', script), folder, lerobotSource];
    const settings = [String(threads), String(SEED), ...(tokens.length === 0 ? [] : [tokens.join(',')])];
    list.push({
      name: 'PyTorch',
      command: [...program, ...settings],
      ...(line === undefined ? {} : { line }),
    });
  }
  if (vlaCpp !== undefined) {
    const inputs = await writeVlaCppInputs(folder, own, tokens);
    for (const type of ['f32', 'bf16'] as const) {
      const command = vlaCppCommand(vlaCpp, folder, type, inputs, threads);
      list.push({ name: `vla.cpp, ${type}`, command });
    }
  }
  return list;
}

type Running = readonly (readonly [Record, Contestant])[];

const noRounds = async (): Promise<void> => undefined;

/** Starts them one by one, does something with those that started, and ends them. */
async function withStarted(
  records: readonly Record[],
  able: Set<Record>,
  notes: string[],
  work: (running: Running) => Promise<void>,
): Promise<void> {
  const running: [Record, Contestant][] = [];
  try {
    for (const record of records) {
      const { command, line, name } = record.entrant;
      try {
        const contestant = await startContestant(command, line);
        running.push([record, contestant]);
        record.loadS.push(contestant.loadS);
        record.firstS.push(contestant.firstS);
        record.programS.push(contestant.programS);
        record.actions = contestant.actions;
        record.name = `${name} ${contestant.version}`.trim();
      } catch (thrown) {
        able.delete(record);
        notes.push(`${name} not available: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      }
    }
    await work(running);
  } finally {
    for (const [, contestant] of running) await contestant.close();
  }
}

async function playRounds(running: Running, repeats: number): Promise<void> {
  for (const [, contestant] of running) await contestant.infer();
  for (let round = 0; round < repeats; round++) {
    for (const [record, contestant] of running) {
      const { ms, peakMiB } = await contestant.infer();
      record.times.push(ms);
      record.peakMiB = peakMiB;
    }
  }
}

function noteDifferences([own, ...others]: readonly Record[], notes: string[]): void {
  if (own === undefined) return;
  for (const { name, actions } of others) {
    const worst = own.actions.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (actions[i] ?? Number.NaN))),
      0,
    );
    notes.push(
      `Largest difference of ${name}'s ${own.actions.length} numbers from Myelin's: ${worst.toExponential(1)}.`,
    );
  }
}

function tableOf(
  { name, title }: Contest,
  { vlaCpp }: ContestOptions,
  repeats: number,
  records: readonly Record[],
  notes: readonly string[],
): BenchTable {
  const median = (values: readonly number[]) => statistics(values)[1] ?? Number.NaN;
  const rival = records.find((record) => record.name.startsWith('PyTorch'));
  const share = (own: readonly number[], theirs: readonly number[] | undefined) =>
    theirs === undefined ? '' : (median(own) / median(theirs)).toFixed(2);
  return {
    title: `${title} beside LeRobot's PyTorch`,
    command: `myelin bench ${name} --python PYTHON --lerobot-src SRC${vlaCpp === undefined ? '' : ' --vlacpp PROGRAM'} --repeats ${repeats}`,
    columns: [...COLUMNS, 'median ratio', 'first action ratio', 'from program start'],
    rows: records.map(({ name, loadS, firstS, programS, times, peakMiB }) => [
      name,
      median(loadS),
      median(firstS),
      median(programS),
      ...statistics(times),
      Math.round(peakMiB),
      share(times, rival?.times),
      share(firstS, rival?.firstS),
      share(programS, rival?.programS),
    ]),
    notes,
  };
}
