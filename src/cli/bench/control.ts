import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Trace } from '../../control/trace-reader.ts';
import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { ControlState, Request } from '../../core/control-state.ts';
import { MyelinError } from '../../core/errors.ts';
import { monotonicNs, systemClock } from '../../platform/clock.ts';
import { distEntry } from '../../platform/entry.ts';
import { ArmSegment } from '../../segment/arm-segment.ts';
import { ChunkWriter } from '../../segment/chunk-exchange.ts';
import { Lease } from '../../segment/lease.ts';
import { buildRivals, type RivalLoop } from './rival-loops.ts';

export const LOADS = ['idle', 'full'] as const;
export type Load = (typeof LOADS)[number];

export interface BenchControlOptions {
  /** Measured time of each loop under each condition, s. Default 60. */
  readonly seconds?: number;
  /** Default 500 and 1000. */
  readonly frequencies?: readonly number[];
  /** `full` keeps every core busy. Default both. */
  readonly loads?: readonly Load[];
}

const PRIORITY = 80;
/** Each loop runs in slices, one loop after the other, so that the machine's moods meet all of them. */
const SLICES = 3;
/** The first second of a slice is not counted, for any loop. */
const SETTLE_S = 1;
const BUSY =
  'const parent = process.ppid; const list = []; for (;;) { list.push(new Array(100).fill(Math.random())); if (list.length > 1e4) { list.length = 0; if (process.ppid !== parent) break; } }';

/**
 * Wake-up lateness of Myelin's control loop, with its driver, its limits and a moving simulated arm, beside bare
 * loops in C and Python on the same machine in the same run.
 */
export async function benchControl(options: BenchControlOptions = {}): Promise<BenchTable[]> {
  const { seconds = 60, frequencies = [500, 1000], loads = LOADS } = options;
  using rivals = buildRivals();
  const folder = mkdtempSync(join(tmpdir(), 'myelin-bench-'));
  const priorities = mayBeRealtime() ? [0, PRIORITY] : [0];
  const tables: BenchTable[] = [];
  try {
    for (const hz of frequencies) {
      const rows: (string | number)[][] = [];
      const surrendered: string[] = [];
      for (const load of loads) {
        for (const priority of priorities) {
          const condition = { hz, priority, load, seconds, folder };
          const scheduling = priority > 0 ? 'FIFO' : 'OTHER';
          let surrenders = 0;
          const measured = await measure(condition, rivals.loops, () => {
            surrenders += 1;
          });
          for (const [name, late] of measured) {
            rows.push([load, scheduling, name, ...figures(late, 1e9 / hz)]);
          }
          if (surrenders > 0) {
            surrendered.push(
              `Load ${load}, ${scheduling}: the system did not run the loop for 250 ms, so the guardian took the arm, ${surrenders} times; those slices were measured again.`,
            );
          }
        }
      }
      tables.push({
        title: `Control loop: wake-up lateness at ${hz} Hz`,
        command: `myelin bench control --seconds ${seconds} --frequencies ${hz}`,
        columns: [
          'load',
          'scheduling',
          'loop',
          'ticks',
          'late',
          'missed',
          'p50 us',
          'p99 us',
          'p99.9 us',
          'max us',
        ],
        rows,
        notes: [
          'Lateness is the first look at the clock after waking, less the deadline. Late: by more than half a period. Missed: periods skipped.',
          `The Myelin loop drives a moving simulated arm whose world runs beside every loop; C and Python do nothing else. Each ran ${SLICES} slices in turn; the first second of a slice is left out.`,
          `Load full: ${cpus().length} processes that compute and allocate, one a core.`,
          ...(priorities.length > 1 ? [] : ['SCHED_FIFO is not granted here, so there are no rows for it.']),
          ...surrendered,
          ...rivals.notes,
        ],
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return tables;
}

/** Whether this user may ask for SCHED_FIFO; tried in a process of its own, which it would change. */
const mayBeRealtime = (): boolean =>
  spawnSync('chrt', ['--fifo', '1', 'true'], { stdio: 'ignore' }).status === 0;

interface Condition {
  readonly hz: number;
  readonly priority: number;
  readonly load: Load;
  readonly seconds: number;
  readonly folder: string;
}

async function measure(
  condition: Condition,
  rivals: readonly RivalLoop[],
  takenOver: () => void,
): Promise<Map<string, Float64Array>> {
  const slices = new Map<string, Float64Array[]>();
  const keep = (name: string, late: Float64Array): void => {
    slices.set(name, [...(slices.get(name) ?? []), late]);
  };
  const world = await startWorld();
  const busy =
    condition.load === 'full'
      ? cpus().map(() => spawn(process.execPath, ['-e', BUSY], { stdio: 'ignore' }))
      : [];
  try {
    for (let slice = 0; slice < SLICES; slice++) {
      keep('Myelin', await runPatiently(world.name, condition, takenOver));
      for (const rival of rivals) keep(rival.name, await runRival(rival, condition));
    }
  } finally {
    for (const child of busy) child.kill('SIGKILL');
    await end(world.child);
  }
  return new Map(
    [...slices].map(([name, parts]) => [name, Float64Array.from(parts.flatMap((part) => [...part]))]),
  );
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

const ATTEMPTS = 6;

/**
 * A machine so busy that it does not run the loop for a quarter of a second makes the guardian take the arm, as it
 * must. The slice is then measured again, and how often that happened is told with the table.
 */
async function runPatiently(
  world: string,
  condition: Condition,
  takenOver: () => void,
): Promise<Float64Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runMyelin(world, condition);
    } catch (thrown) {
      const guarded = thrown instanceof Error && thrown.message.includes('The guardian has the arm');
      if (!guarded || attempt === ATTEMPTS) throw thrown;
      takenOver();
    }
  }
}

/** The real thing: `myelin control` on a simulated arm, commanded along a slow sine. */
async function runMyelin(world: string, { hz, priority, seconds, folder }: Condition): Promise<Float64Array> {
  const trace = join(folder, 'loop.trace');
  const sliceS = seconds / SLICES;
  const settings = {
    interface: `world:${world}`,
    segment: world,
    trace,
    priority,
    'control-freq': hz,
    'feedback-timeout': 0.5,
  };
  const lengthS = Math.ceil(sliceS);
  const args = Object.entries({ ...settings, 'trace-length': lengthS }).flatMap(([flag, value]) => [
    `--${flag}`,
    String(value),
  ]);
  const child = spawn(process.execPath, [distEntry('cli/main.js'), 'control', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (output += part.toString()));
  const exited = once(child, 'exit');
  try {
    const segment = await openSegment(world, child, () => output);
    await goHome(segment, () => output);
    const stopDriving = drive(segment);
    await pause((SETTLE_S + sliceS) * 1000);
    stopDriving();
    segment.request(Request.STOP);
    segment.close();
    const [code] = await exited;
    if (code !== 0)
      throw new MyelinError('INTERNAL', { detail: `the control process ended with ${code}:\n${output}` });
  } finally {
    child.kill('SIGKILL');
  }
  // The newest ticks are those of the stop, which are as good as any.
  const read = Trace.open(trace);
  return read.column('latenessNs').slice(-Math.floor(sliceS * hz));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function openSegment(name: string, child: ChildProcess, output: () => string): Promise<ArmSegment> {
  while (child.exitCode === null) {
    await pause(50);
    let segment: ArmSegment;
    try {
      segment = ArmSegment.open(name);
    } catch {
      continue;
    }
    if (segment.fields.tick > 0) return segment;
    segment.close();
  }
  throw new MyelinError('INTERNAL', { detail: `the control process did not start:\n${output()}` });
}

/** The arm is found folded together; home is where it has room to move. */
async function goHome(segment: ArmSegment, output: () => string): Promise<void> {
  segment.request(Request.RESET);
  const { fields } = segment;
  const { RESETTING, IDLE } = ControlState;
  while (fields.requestsHandled[RESET_INDEX] === 0 && segment.ownerAlive) await pause(20);
  while (fields.controlState === RESETTING && segment.ownerAlive) await pause(20);
  if (fields.controlState !== IDLE)
    throw new MyelinError('INTERNAL', { detail: `the arm did not reach home:\n${output()}` });
}

/** Moves two joints along a sine of 4 s and 0.1 rad around where they are. Returns what ends it. */
function drive(segment: ArmSegment): () => void {
  const { dof, position } = segment.fields;
  const start = Float64Array.from(position.subarray(0, dof));
  const lease = Lease.acquire(segment, 'bench', monotonicNs());
  const writer = new ChunkWriter(segment);
  const rows = 30;
  const stepPeriodS = 1 / 30;
  const beginNs = monotonicNs();
  const publish = (): void => {
    const nowNs = monotonicNs();
    const actions = new Float64Array(rows * dof);
    for (let row = 0; row < rows; row++) {
      actions.set(start, row * dof);
      const offset = 0.1 * Math.sin(((nowNs - beginNs) / 1e9 + row * stepPeriodS) * (Math.PI / 2));
      actions[row * dof]! += offset;
      actions[row * dof + 4]! += offset;
    }
    lease.heartbeat(nowNs, systemClock.unixS());
    writer.publish({ actions, rows, dof, stepPeriodS, timestep: 0, observedNs: nowNs }, nowNs);
  };
  publish();
  segment.request(Request.START);
  const timer = setInterval(publish, 200);
  return () => {
    clearInterval(timer);
    lease.release();
  };
}

/** Place of RESET among the four requests. */
const RESET_INDEX = 2;

let worlds = 0;

async function startWorld(): Promise<{ name: string; child: ChildProcess }> {
  const name = `bench_${process.pid}_${++worlds}`;
  const world = [process.execPath, distEntry('world/world-process.js'), '--name', name, '--no-bit-timing'];
  // The world stands for metal, which no load slows down.
  const [program = '', ...args] = mayBeRealtime() ? ['chrt', '--fifo', '60', ...world] : world;
  const child = spawn(program, [...args, '--parent-pid', String(process.pid)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return { name, child };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
