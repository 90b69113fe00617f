import { readdirSync, readFileSync } from 'node:fs';

export interface RlimitWish {
  /** Only where no control group bounds the memory. Counts what a process may write, each process for itself. */
  readonly dataMiB?: number;
  /** Processes the user may have besides those that run now. Left out for root, for whom it does not count. */
  readonly processes?: number;
}

const MOST_OPEN_FILES = 4096;
const LARGEST_FILE_BYTES = 2 * 1024 ** 3;
const MIB = 1024 * 1024;

/** `/proc/self/limits`: the hard limit by the row's name, Infinity where there is none. */
export function hardLimit(limits: string, row: string): number {
  const line = limits.split('\n').find((text) => text.startsWith(row));
  const hard = line?.slice(row.length).trim().split(/\s+/)[1];
  return hard === undefined || hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

/**
 * Arguments of `prlimit`: no core dumps, 4096 open files, files of 2 GiB at most. Address space (RLIMIT_AS) is left
 * alone, since V8 and CUDA reserve far more of it than they use; RLIMIT_DATA counts what can really be written.
 */
export function prlimitArguments(
  wish: RlimitWish,
  limits = readFileSync('/proc/self/limits', 'utf8'),
): string[] {
  const wanted: [option: string, row: string, value: number][] = [
    ['core', 'Max core file size', 0],
    ['nofile', 'Max open files', MOST_OPEN_FILES],
    ['fsize', 'Max file size', LARGEST_FILE_BYTES],
  ];
  if (wish.dataMiB !== undefined) wanted.push(['data', 'Max data size', wish.dataMiB * MIB]);
  if (wish.processes !== undefined) {
    wanted.push(['nproc', 'Max processes', countThreads() + wish.processes]);
  }
  return wanted.map(([option, row, value]) => {
    // A limit can only be lowered.
    const bound = Math.min(value, hardLimit(limits, row));
    return `--${option}=${bound}:${bound}`;
  });
}

/** Threads of this user, which is what RLIMIT_NPROC counts. */
function countThreads(): number {
  const uid = process.getuid?.() ?? 0;
  let threads = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const status = readFileSync(`/proc/${name}/status`, 'latin1');
      if (Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) === uid) {
        threads += Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 1);
      }
    } catch {
      // Ended meanwhile.
    }
  }
  return threads;
}
