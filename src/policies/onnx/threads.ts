import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { ARM_SEGMENT, listSegments } from '../../segment/owned-segment.ts';

export interface ThreadChoice {
  readonly threads: number;
  /** For people: `1 of 2 cores, as a control loop keeps time on this machine`. */
  readonly reason: string;
}

/**
 * As many threads as leave a control loop on the same machine a core of its own.
 * @param requested what a person asked for; it is taken as it is
 * @param loops programs that keep time here
 */
export function chooseThreads(requested: number | undefined, cores: number, loops: number): ThreadChoice {
  const of = `of ${cores} core${cores === 1 ? '' : 's'}`;
  if (requested !== undefined) return { threads: requested, reason: `${requested} ${of}, as asked for` };
  if (loops === 0) return { threads: cores, reason: `${cores} ${of}, as nothing keeps time on this machine` };
  if (cores === 1)
    return { threads: 1, reason: `1 ${of}, at low priority, as a control loop keeps time on it` };
  return { threads: cores - 1, reason: `${cores - 1} ${of}, as a control loop keeps time on this machine` };
}

/** The choice for this machine as it is now. */
export const threadsHere = (requested?: number): ThreadChoice =>
  chooseThreads(requested, availableParallelism(), requested === undefined ? timeKeepers() : 0);

/** Programs that keep time on this machine: owners of arm segments, and those that the kernel schedules in real time. */
function timeKeepers(): number {
  if (process.platform !== 'linux') return 0;
  const owners = listSegments().flatMap(({ kind, alive, pid }) =>
    kind === ARM_SEGMENT && alive ? [pid] : [],
  );
  return new Set([...owners, ...realtimeProcesses()]).size;
}

/** Fields of /proc/PID/stat behind the name, counted from the state at 0. */
const PARENT = 1;
const POLICY = 38;
const FIFO = '1';
const ROUND_ROBIN = '2';
const KERNEL_THREADS = '2';

/** Processes of any user under SCHED_FIFO or SCHED_RR; the kernel's own threads are left out. */
function realtimeProcesses(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      // "pid (name) STATE ...": the name may hold anything, so look behind its last parenthesis.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const realtime = fields[POLICY] === FIFO || fields[POLICY] === ROUND_ROBIN;
      return realtime && name !== KERNEL_THREADS && fields[PARENT] !== KERNEL_THREADS ? [Number(name)] : [];
    } catch {
      return []; // It ended meanwhile, or is none of ours to see.
    }
  });
}
