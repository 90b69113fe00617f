import { lstatSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { MyelinError } from '../core/errors.ts';
import { Errno, errno, libc } from './libc.ts';

/** Whether a process with this id runs. One that has ended but was not yet collected by its parent does not. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (libc().kill(pid, 0) !== 0 && errno() !== Errno.EPERM) return false;
  try {
    // "pid (name) STATE ...": the name may hold anything, so look behind its last parenthesis.
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const state = status[status.lastIndexOf(')') + 2];
    return state !== 'Z' && state !== 'X';
  } catch {
    return true;
  }
}

/** Id of the parent process now: it changes when the parent dies. Allocates nothing, about 130 ns. */
export const parentPid = (): number => libc().getppid();

let namespace: number | undefined;

/** Inode of this process's PID namespace, which tells it from every other; 0 where that cannot be known. */
export function pidNamespace(): number {
  if (namespace === undefined) {
    try {
      namespace = Number(/^pid:\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? 0);
    } catch {
      namespace = 0; // No such file in some sandboxes: then there is nothing to compare.
    }
  }
  return namespace;
}

/**
 * The folder for this user's sockets: `$XDG_RUNTIME_DIR/myelin`, else `/tmp/myelin-<uid>`. Made with mode 0700.
 * @throws MyelinError RUNTIME_DIR_UNSAFE when it exists and is not this user's alone.
 */
export function runtimeDir(environment: NodeJS.ProcessEnv = process.env): string {
  const uid = process.getuid?.() ?? 0;
  const base = environment.XDG_RUNTIME_DIR;
  const folder = base !== undefined && isFolder(base) ? join(base, 'myelin') : `/tmp/myelin-${uid}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const status = lstatSync(folder);
  if (!status.isDirectory() || status.uid !== uid || (status.mode & 0o077) !== 0) {
    throw new MyelinError('RUNTIME_DIR_UNSAFE', { folder, uid });
  }
  return folder;
}

const isFolder = (path: string): boolean => {
  try {
    return lstatSync(path).isDirectory();
  } catch {
    return false;
  }
};
