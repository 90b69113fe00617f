import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Every process of this machine. */
export const processes = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

export function childrenOf(parent: number | undefined): number[] {
  if (parent === undefined) return [];
  try {
    return readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch {
    return []; // It is gone.
  }
}

/** Words of a process's command, with blanks around; empty when it is gone or waits to be collected. */
export function commandOf(pid: number): string {
  try {
    return ` ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')} `.replace(/^ +$/, '');
  } catch {
    return '';
  }
}

/** Its working folder; empty when it is gone. */
export function folderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}
