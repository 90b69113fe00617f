import { readFileSync } from 'node:fs';

/** What the kernel says a process is doing. */
export interface ProcessLook {
  /** Its state letter: R runs or waits for a core, S sleeps, D waits for a device, T stopped, Z dead; X gone. */
  readonly state: string;
  /** Time its main thread has spent on a core, ns; NaN where the kernel does not keep it. */
  readonly cpuNs: number;
}

/** A look from outside, about 50 us. */
export function lookAtProcess(pid: number): ProcessLook {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return { state: 'X', cpuNs: Number.NaN };
  }
  // "pid (name) STATE ...": the name may hold anything, so look behind its last parenthesis.
  const state = stat[stat.lastIndexOf(')') + 2] ?? 'X';
  return { state, cpuNs: cpuNs(pid) };
}

const cpuNs = (pid: number): number => {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/schedstat`, 'latin1'), 10);
  } catch {
    return Number.NaN;
  }
};
