import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SharedMemory } from '../../platform/shared-memory.ts';
import { listSegments } from '../../segment/owned-segment.ts';

const folders = new Set<string>();

/** A new folder for what a benchmark writes; `removeScratch` takes it away, and so does an interruption. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-bench-'));
  folders.add(folder);
  return folder;
}

export function removeScratch(folder: string): void {
  folders.delete(folder);
  // A process that was told to end may still write its last file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Ctrl-C in the middle of a benchmark leaves no process, no shared memory and no gigabytes of weights. */
export function tidyUpWhenInterrupted(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      for (const pid of children()) end(pid);
      for (const { name, pid } of listSegments()) if (pid === process.pid) SharedMemory.unlink(name);
      for (const folder of folders) removeScratch(folder);
      // By the signal itself, as it would have: an orderly end would wait for a model in the middle of its work.
      process.kill(process.pid, signal);
    });
  }
}

function children(): number[] {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    // A kernel that does not tell: those that read from this process end with it.
    return [];
  }
}

function end(pid: number): void {
  try {
    process.kill(pid);
  } catch {
    // It has ended by itself.
  }
}
