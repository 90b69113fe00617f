import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { distEntry } from '../../platform/entry.ts';
import { actConfig } from '../../policies/models/act-config.ts';
import { createSeededCheckpoint } from '../../policies/seeded-checkpoint.ts';

/**
 * What runs beside a loop that is measured, besides the simulated arm:
 * `idle` nothing; `system` two simulated cameras at 30 Hz and a full-size ACT model that infers without pause on
 * every core; `full` a process a core that computes; `allocating` one a core that fills and drops memory, which
 * some kernels let starve an ordinary (SCHED_OTHER) thread for tenths of a second.
 */
export const LOADS = ['idle', 'system', 'full', 'allocating'] as const;
export type Load = (typeof LOADS)[number];

export interface RunningLoad extends AsyncDisposable {
  /** Name of the world. */
  readonly world: string;
}

/** Programs that keep a core busy until their parent is gone. */
const BUSY = {
  full: 'const parent = process.ppid; let x = 0; while (process.ppid === parent) for (let i = 0; i < 1e6; i++) x += Math.sqrt(i);',
  allocating:
    'const parent = process.ppid; let list = []; while (process.ppid === parent) { for (let i = 0; i < 1e4; i++) list.push(new Array(100).fill(i)); list = []; }',
};

let worlds = 0;

/** Starts a world and the load. @param folder where a model may lie; kept from one load to the next */
export async function startLoad(load: Load, folder: string): Promise<RunningLoad> {
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    for (const child of children.reverse()) await end(child);
  };
  try {
    const world = `bench_${process.pid}_${++worlds}`;
    children.push(await startWorld(world));
    if (load === 'full' || load === 'allocating')
      children.push(...cpus().map(() => node(['-e', BUSY[load]])));
    if (load === 'system') {
      const rings = ['external', 'wrist'].flatMap((name) => ['--camera', `${name}=${world}_${name}`]);
      children.push(node([distEntry('cli/main.js'), 'camera', '--source', `world:${world}`, ...rings]));
      children.push(await startPolicy(folder));
    }
    return { world, [Symbol.asyncDispose]: close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** Whether this user may ask for SCHED_FIFO; tried in a process of its own, which it would change. */
export const mayBeRealtime = (): boolean =>
  spawnSync('chrt', ['--fifo', '1', 'true'], { stdio: 'ignore' }).status === 0;

const node = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });

async function startWorld(name: string): Promise<ChildProcess> {
  const args = ['--name', name, '--no-bit-timing', '--parent-pid', String(process.pid)];
  const child = spawn(process.execPath, [distEntry('world/world-process.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function startPolicy(folder: string): Promise<ChildProcess> {
  const checkpoint = join(folder, 'act');
  await createSeededCheckpoint(checkpoint, actConfig(), 1);
  const child = spawn(process.execPath, [distEntry('cli/bench/policy-load.js'), checkpoint], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Its first line says that it infers.
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(killer);
}
