import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { errno, errnoName, libc } from './libc.ts';

const SCHED_FIFO = 1;
const PR_SET_TIMERSLACK = 29;

export interface RealtimeRequest {
  /** SCHED_FIFO priority, 1 to 99; 0 does not ask for it. */
  readonly priority: number;
  /** Run on this core only. Default: whichever is free. */
  readonly cpu?: number;
  /** How much later than asked a normal wake-up may come, ns. Default 1 (the system's default is 50 000). */
  readonly timerSlackNs?: number;
}

export interface RealtimeGrant {
  readonly fifo: boolean;
  readonly affinity: boolean;
  readonly timerSlack: boolean;
  /** One sentence for each thing that was asked for and refused. */
  readonly refusals: string[];
}

/**
 * Asks the system for timely execution of the calling thread. Never fails: what was refused is told, to be shown.
 * Pages are not locked wholesale: `mlockall` makes V8 abort. Lock segments with `SharedMemory.lock`.
 */
export function requestRealtime({ priority, cpu, timerSlackNs = 1 }: RealtimeRequest): RealtimeGrant {
  const c = libc();
  const refusals: string[] = [];

  const refusal =
    priority === 0 ? 0 : c.pthread_setschedparam(c.pthread_self(), SCHED_FIFO, new Int32Array([priority]));
  if (refusal !== 0) {
    refusals.push(
      `SCHED_FIFO priority ${priority} refused (${errnoName(refusal)}): ` +
        `run as root, or give the user "rtprio ${priority}" in /etc/security/limits.conf`,
    );
  }

  let affinity = false;
  if (cpu !== undefined) {
    const mask = new Uint8Array(128);
    mask[cpu >> 3] = 1 << (cpu & 7);
    affinity = c.sched_setaffinity(0, mask.length, mask) === 0;
    if (!affinity) refusals.push(`CPU ${cpu} refused (${errnoName(errno())}): is there such a core (nproc)?`);
  }

  const timerSlack = c.prctl(PR_SET_TIMERSLACK, timerSlackNs, 0, 0, 0) === 0;
  if (!timerSlack) refusals.push(`Timer slack of ${timerSlackNs} ns refused (${errnoName(errno())})`);

  return { fifo: priority > 0 && refusal === 0, affinity, timerSlack, refusals };
}

/** The threads of this process but its first: V8's, which compile and collect garbage. */
const helpers = (): number[] =>
  readdirSync('/proc/self/task')
    .map(Number)
    .filter((thread) => thread !== process.pid);

/**
 * SCHED_FIFO for this process's helper threads, as far as they exist and the system allows it: a real-time thread waits
 * for them now and then (a collection, until a compiling thread pauses), and on a busy machine they hardly run. Only for
 * a process whose parent has a lower priority than they: see decision 0012.
 */
export function requestHelpersRealtime(priority: number): void {
  if (priority <= 0) return;
  for (const thread of helpers()) libc().sched_setscheduler(thread, SCHED_FIFO, new Int32Array([priority]));
}

/**
 * Puts this process, and those it starts from now on, before all others that have no real-time priority, where the
 * system allows it. Its helper threads too, which a real-time thread waits for now and then.
 */
export function raiseNiceness(): void {
  for (const thread of [process.pid, ...helpers()]) {
    try {
      setPriority(thread, constants.priority.PRIORITY_HIGHEST);
    } catch {
      // The thread has ended, or it is not allowed: what matters asks for real time, and tells of its refusal.
    }
  }
}
