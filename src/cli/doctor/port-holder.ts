import { readdir, readFile, readlink } from 'node:fs/promises';
import { namesIn } from './device-files.ts';

/** `st` of a listening socket in /proc/net/tcp. */
const LISTEN = '0A';

export interface PortHolder {
  readonly pid: number;
  /** How it was started, shortened. */
  readonly command: string;
}

/** Who listens at a port; undefined when nobody does, or a process of another user whose files we may not see. */
export async function portHolder(port: number): Promise<PortHolder | undefined> {
  const inodes = new Set([
    ...listeningInodes(await table('/proc/net/tcp'), port),
    ...listeningInodes(await table('/proc/net/tcp6'), port),
  ]);
  if (inodes.size === 0) return undefined;
  for (const pid of (await namesIn('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (await holds(pid, inodes)) return { pid: Number(pid), command: await commandOf(pid) };
  }
  return undefined;
}

const table = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

/** Inodes of the sockets that listen at the port, from the kernel's table. */
export function listeningInodes(text: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTEN && local?.split(':')[1] === wanted)
    .flatMap((fields) => fields[9] ?? []);
}

async function holds(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const files = await readdir(folder).catch(() => []);
  for (const file of files) {
    const target = await readlink(`${folder}/${file}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

/** Only the program and its first words: what follows may hold a token. */
async function commandOf(pid: string): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const words = line.split('\0').filter((word) => word !== '');
  return words
    .slice(0, 3)
    .filter((word) => !word.startsWith('-'))
    .map((word) => word.split('/').at(-1))
    .join(' ')
    .slice(0, 60);
}
