import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeScratch, scratchFolder } from './scratch.ts';

/** About what a tick of Myelin's loop takes with a moving arm. */
const WORK_US = 200;

/** A loop in another language to compare with. Run as `command... hz seconds priority`, it writes f64 lateness in ns. */
export interface RivalLoop {
  readonly name: string;
  readonly command: readonly string[];
}

/**
 * Both do what anyone would write: sleep to the absolute deadline, look at the clock, skip periods that are lost.
 * Priority 0 leaves the scheduling as it is. The C loop can compute for a while each tick, as a control loop does:
 * a scheduler treats a thread that only sleeps better.
 */
const C_SOURCE = `
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
int main(int argc, char **argv) {
  double work = atof(argv[1]), period = 1e9 / atof(argv[2]);
  long ticks = atof(argv[2]) * atof(argv[3]);
  struct sched_param priority = {.sched_priority = atoi(argv[4])};
  if (priority.sched_priority > 0 && sched_setscheduler(0, SCHED_FIFO, &priority) != 0) return 3;
  double *late = calloc(ticks, sizeof *late), due = now();
  for (long i = 0; i < ticks; i++) {
    due += period;
    struct timespec t = {.tv_sec = due / 1e9};
    t.tv_nsec = due - t.tv_sec * 1e9;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 4) ;
    late[i] = now() - due;
    if (late[i] >= period) due += (long)(late[i] / period) * period;
    for (double end = now() + work; now() < end; ) ;
  }
  fwrite(late, sizeof *late, ticks, stdout);
  return 0;
}
`;

const PYTHON_SOURCE = `
import array, os, sys, time
hz, seconds, priority = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
if priority > 0:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        sys.exit(3)
period, late = 1e9 / hz, array.array('d')
due = time.monotonic_ns()
for _ in range(int(hz * seconds)):
    due += period
    time.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
    late.append(time.monotonic_ns() - due)
    if late[-1] >= period:
        due += late[-1] // period * period
sys.stdout.buffer.write(late.tobytes())
`;

export interface Rivals extends Disposable {
  readonly loops: readonly RivalLoop[];
  /** Why some are not there. */
  readonly notes: readonly string[];
}

/** Builds what this machine has a compiler or an interpreter for. Dispose of it to remove the files. */
export function buildRivals(): Rivals {
  const folder = scratchFolder();
  const loops: RivalLoop[] = [];
  const notes: string[] = [];

  const source = join(folder, 'loop.c');
  const program = join(folder, 'loop');
  writeFileSync(source, C_SOURCE);
  if (spawnSync('cc', ['-O2', '-o', program, source], { stdio: 'ignore' }).status === 0) {
    loops.push({ name: 'C clock_nanosleep', command: [program, '0'] });
    loops.push({ name: `C, and ${WORK_US} us of work a tick`, command: [program, String(WORK_US * 1000)] });
  } else notes.push('No C loop: this machine has no C compiler.');

  const script = join(folder, 'loop.py');
  writeFileSync(script, PYTHON_SOURCE);
  if (spawnSync('python3', ['--version'], { stdio: 'ignore' }).status === 0) {
    loops.push({ name: 'Python time.sleep', command: ['python3', script] });
  } else notes.push('No Python loop: this machine has no python3.');

  return { loops, notes, [Symbol.dispose]: () => removeScratch(folder) };
}
