import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { MyelinError } from '../../core/errors.ts';
import { runControl } from './control-run.ts';
import { LOADS, type Load, mayBeRealtime, startLoad } from './load.ts';
import { buildRivals, type RivalLoop } from './rival-loops.ts';
import { removeScratch, scratchFolder } from './scratch.ts';

export interface BenchControlOptions {
  /** Measured time of each loop under each condition, s. Default 60. */
  readonly seconds?: number;
  /** Default 500 and 1000. */
  readonly frequencies?: readonly number[];
  /** Default all but `allocating`. */
  readonly loads?: readonly Load[];
}

const PRIORITY = 80;
/** Each loop runs in slices, one loop after the other, so that the machine's moods meet all of them. */
const SLICES = 6;
/** The first second of a slice is not counted, for any loop. */
const SETTLE_S = 1;

/**
 * Wake-up lateness of Myelin's control loop, with its driver, its limits and a moving simulated arm, beside bare
 * loops in C and Python on the same machine in the same run.
 * @throws MyelinError INVALID_ARGUMENT when a load is not known
 */
export async function benchControl(options: BenchControlOptions = {}): Promise<BenchTable[]> {
  const { seconds = 60, frequencies = [500, 1000], loads = ['idle', 'system', 'full'] } = options;
  const strange = loads.find((load) => !LOADS.includes(load));
  if (strange !== undefined) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: '--loads',
      value: strange,
      allowed: `some of ${LOADS.join(', ')}`,
    });
  }
  using rivals = buildRivals();
  const folder = scratchFolder();
  const priorities = mayBeRealtime() ? [0, PRIORITY] : [0];
  const tables: BenchTable[] = [];
  try {
    for (const hz of frequencies) {
      for (const load of loads) {
        const rows: (string | number)[][] = [];
        const stops: string[] = [];
        for (const priority of priorities) {
          const scheduling = priority > 0 ? 'FIFO' : 'OTHER';
          const { late, stopped } = await measure({ hz, priority, load, seconds, folder }, rivals.loops);
          for (const [name, list] of late) rows.push([scheduling, name, ...figures(list, 1e9 / hz)]);
          if (stopped > 0) stops.push(`${scheduling}: ${stopped}`);
        }
        tables.push({
          title: `Control loop at ${hz} Hz, load ${load}: wake-up lateness`,
          command: `myelin bench control --seconds ${seconds} --frequencies ${hz} --loads ${load}`,
          columns: COLUMNS,
          rows,
          notes: [
            'Lateness is the first look at the clock after waking, less the deadline. Late: by more than half a period. Missed: periods skipped.',
            `The Myelin loop drives a moving simulated arm whose world runs beside every loop; C and Python do nothing else. Each ran ${SLICES} slices in turn; the first second of a slice is left out.`,
            `Beside them ran ${COMPANY[load]}.`,
            ...(priorities.length > 1
              ? []
              : ['SCHED_FIFO is not granted here, so there are no rows for it.']),
            ...(stops.length === 0
              ? []
              : [
                  `Slices that ended early because the machine ran the loop or its bus so late that the arm was stopped, as it must be; what came before counts, and the wait itself as 250 ms: ${stops.join('; ')}.`,
                ]),
            ...rivals.notes,
          ],
        });
      }
    }
  } finally {
    removeScratch(folder);
  }
  return tables;
}

const COMPANY: Readonly<Record<Load, string>> = {
  idle: 'nothing else',
  system: `two cameras of 160x120 at 30 Hz and a full-size ACT model that infers without pause on ${cpus().length} threads`,
  full: `${cpus().length} processes that compute`,
  allocating: `${cpus().length} processes that fill and drop memory`,
};

const COLUMNS = ['scheduling', 'loop', 'ticks', 'late', 'missed', 'p50 us', 'p99 us', 'p99.9 us', 'max us'];

interface Condition {
  readonly hz: number;
  readonly priority: number;
  readonly load: Load;
  readonly seconds: number;
  readonly folder: string;
}

interface Measured {
  /** Lateness of every tick of each loop, ns. */
  readonly late: ReadonlyMap<string, Float64Array>;
  /** Slices that ended early because the arm was stopped. */
  readonly stopped: number;
}

async function measure(condition: Condition, rivals: readonly RivalLoop[]): Promise<Measured> {
  const { seconds, folder, load } = condition;
  const slices = new Map<string, Float64Array[]>();
  const keep = (name: string, late: Float64Array): void => {
    slices.set(name, [...(slices.get(name) ?? []), late]);
  };
  let stopped = 0;
  await using running = await startLoad(load, folder);
  const run = { ...condition, sliceS: seconds / SLICES, settleS: SETTLE_S };
  for (let slice = 0; slice < SLICES; slice++) {
    const own = await runControl(running.world, run);
    keep('Myelin', own.late);
    if (own.stopped) stopped += 1;
    for (const rival of rivals) keep(rival.name, await runRival(rival, condition));
  }
  const late = new Map(
    [...slices].map(([name, parts]) => [name, Float64Array.from(parts.flatMap((part) => [...part]))]),
  );
  return { late, stopped };
}

const figures = (lateNs: Float64Array, periodNs: number): (number | string)[] => {
  const sorted = lateNs.slice().sort();
  const missed = lateNs.reduce((sum, late) => sum + (late >= periodNs ? Math.floor(late / periodNs) : 0), 0);
  const late = lateNs.reduce((sum, value) => sum + (value > periodNs / 2 ? 1 : 0), 0);
  const us = [0.5, 0.99, 0.999, 1].map((share) => (percentile(sorted, share) / 1000).toFixed(1));
  return [lateNs.length, late, missed, ...us];
};

async function runRival({ name, command }: RivalLoop, condition: Condition): Promise<Float64Array> {
  const { hz, priority, seconds } = condition;
  const [program = '', ...args] = command;
  const child = spawn(program, [...args, String(hz), String(seconds / SLICES + SETTLE_S), String(priority)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new MyelinError('INTERNAL', { detail: `the ${name} loop ended with ${code}` });
  const bytes = Uint8Array.from(Buffer.concat(parts));
  return new Float64Array(bytes.buffer).subarray(SETTLE_S * hz);
}
