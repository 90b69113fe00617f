import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Trace } from '../../control/trace-reader.ts';
import { ControlState, Request, stateName } from '../../core/control-state.ts';
import { MyelinError } from '../../core/errors.ts';
import { monotonicNs, systemClock } from '../../platform/clock.ts';
import { distEntry } from '../../platform/entry.ts';
import { ArmSegment } from '../../segment/arm-segment.ts';
import { ChunkWriter } from '../../segment/chunk-exchange.ts';
import { Lease } from '../../segment/lease.ts';

export interface ControlRun {
  readonly hz: number;
  /** Of SCHED_FIFO; 0 leaves the scheduling as it is. */
  readonly priority: number;
  /** Counted from `settleS` on. */
  readonly sliceS: number;
  readonly settleS: number;
  /** For the trace. */
  readonly folder: string;
}

export interface ControlRunResult {
  /** Lateness of each tick, ns. */
  readonly late: Float64Array;
  /**
   * Whether the arm was stopped, as it must be when the machine does not run the loop or its bus for too long. What
   * came before counts, and the wait that ended it counts as the 250 ms that it took at least.
   */
  readonly stopped: boolean;
}

/** The loop or its guardian stopped the arm. */
class ArmStopped extends Error {
  override readonly name = 'ArmStopped';
}

/** The guardian waits so long for a loop that the system does not run. */
const STARVED_NS = 250e6;

/** Runs `myelin control` on a simulated arm that is commanded along a slow sine. */
export async function runControl(world: string, run: ControlRun): Promise<ControlRunResult> {
  const trace = join(run.folder, 'loop.trace');
  const settings = {
    interface: `world:${world}`,
    segment: world,
    trace,
    priority: run.priority,
    'control-freq': run.hz,
    'feedback-timeout': 0.5,
    'trace-length': Math.ceil(run.sliceS),
  };
  const args = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  const child = spawn(process.execPath, [distEntry('cli/main.js'), 'control', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (output += part.toString()));
  const closed = once(child, 'close') as Promise<[number | null]>;
  let stopped = false;
  const log = async (): Promise<string> => {
    child.kill('SIGTERM');
    await Promise.race([closed, pause(5000)]);
    return output.split('\n').slice(-8).join('\n');
  };
  try {
    const segment = await openSegment(world, child, log);
    try {
      await goHome(segment, log);
      const stopDriving = drive(segment);
      await pause((run.settleS + run.sliceS) * 1000);
      stopDriving();
      const { DAMPING, EMERGENCY_STOP } = ControlState;
      if (
        [DAMPING, EMERGENCY_STOP].some((state) => state === segment.fields.controlState) ||
        !segment.ownerAlive
      )
        throw new ArmStopped(`the arm did not stay in motion:\n${await log()}`);
      segment.request(Request.STOP);
    } finally {
      segment.close();
    }
    const [code] = await closed;
    if (code !== 0) throw new ArmStopped(`the control process ended with ${code}:\n${output}`);
  } catch (thrown) {
    if (!(thrown instanceof ArmStopped)) throw thrown;
    await closed;
    stopped = true;
  } finally {
    child.kill('SIGKILL');
  }
  // The newest ticks are those of the stop, which are no worse than others.
  const ticks = Trace.open(trace).column('latenessNs');
  const late = ticks.slice(-Math.floor(run.sliceS * run.hz));
  return { late: stopped ? Float64Array.of(...late, STARVED_NS) : late, stopped };
}

async function openSegment(
  name: string,
  child: ChildProcess,
  log: () => Promise<string>,
): Promise<ArmSegment> {
  while (child.exitCode === null) {
    await pause(50);
    let segment: ArmSegment;
    try {
      segment = ArmSegment.open(name);
    } catch {
      continue;
    }
    if (segment.fields.tick > 0 && segment.ownerAlive) return segment;
    segment.close();
  }
  throw new MyelinError('INTERNAL', { detail: `the control process did not start:\n${await log()}` });
}

/** The arm is found folded together; home is where it has room to move. */
async function goHome(segment: ArmSegment, log: () => Promise<string>): Promise<void> {
  segment.request(Request.RESET);
  const { fields } = segment;
  const { RESETTING, IDLE } = ControlState;
  while (fields.requestsHandled[RESET_INDEX] === 0 && segment.ownerAlive) await pause(20);
  while (fields.controlState === RESETTING && segment.ownerAlive) await pause(20);
  if (fields.controlState === IDLE && segment.ownerAlive) return;
  const state = stateName(fields.controlState);
  throw new ArmStopped(`the arm did not reach home (${state}):\n${await log()}`);
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
