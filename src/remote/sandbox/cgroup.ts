import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface CgroupLimits {
  readonly memoryMiB: number;
  readonly processes: number;
}

/** Folders of the memory and the pids controller: one and the same in version 2. */
interface Place {
  readonly version: 1 | 2;
  readonly memory: string;
  readonly pids: string;
}

/** Where this process stands, as the kernel tells it. */
export interface CgroupSources {
  /** `/proc/self/cgroup` */
  readonly membership: string;
  /** `/proc/self/mountinfo` */
  readonly mounts: string;
}

const readSources = (): CgroupSources => ({
  membership: readFileSync('/proc/self/cgroup', 'utf8'),
  mounts: readFileSync('/proc/self/mountinfo', 'utf8'),
});

const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/**
 * The control groups under which projects get groups of their own: one folder `myelin-PID` for this worker, in it one
 * for each start. Version 2 where it is delegated to us, else version 1.
 */
export class CgroupParent {
  readonly version: 1 | 2;
  /** Folders that hold the groups: for whoever cleans up after this process. */
  readonly folders: readonly string[];
  readonly #place: Place;

  private constructor(place: Place) {
    this.#place = place;
    this.version = place.version;
    this.folders = [...new Set([place.memory, place.pids])];
  }

  /** The parent, or in words why there is none. */
  static find(sources: CgroupSources | (() => CgroupSources) = readSources): CgroupParent | string {
    try {
      const places = candidates(typeof sources === 'function' ? sources() : sources);
      if (places.length === 0) return 'there is no memory and pids controller here';
      const refusals: string[] = [];
      for (const place of places) {
        try {
          return CgroupParent.#open(place);
        } catch (error) {
          refusals.push(`${place.memory}: ${reasonOf(error)}`);
        }
      }
      return `not writable (${refusals.join('; ')})`;
    } catch (error) {
      return `cannot be read (${reasonOf(error)})`;
    }
  }

  static #open(place: Place): CgroupParent {
    const name = `myelin-${process.pid}`;
    const inside = (folder: string) => join(folder, name);
    if (place.version === 2) enableControllers(place.memory);
    const own = { ...place, memory: inside(place.memory), pids: inside(place.pids) };
    for (const folder of new Set([own.memory, own.pids])) mkdirSync(folder, { recursive: true });
    const parent = new CgroupParent(own);
    if (place.version === 2) enableControllers(own.memory);
    parent.create('trial', { memoryMiB: 64, processes: 8 }).close();
    return parent;
  }

  create(name: string, limits: CgroupLimits): Cgroup {
    const { version, memory, pids } = this.#place;
    return new Cgroup(version, join(memory, name), join(pids, name), limits);
  }

  close(): void {
    for (const folder of this.folders) removeFolder(folder);
  }
}

/** Version 2 first, if it has our controllers: in our own group, else (as under systemd's DelegateSubgroup) beside it. */
function candidates({ membership, mounts }: CgroupSources): Place[] {
  const lines = membership.trim().split('\n');
  const folderOf = (controller: string): string | undefined => {
    const line = lines.find((text) => {
      const [, names = ''] = text.split(':');
      return controller === '' ? text.startsWith('0::') : names.split(',').includes(controller);
    });
    const path = line?.split(':').slice(2).join(':');
    return path === undefined ? undefined : mountedAt(mounts, controller, path);
  };
  const places: Place[] = [];
  const unified = folderOf('');
  if (unified !== undefined) {
    for (const folder of [unified, dirname(unified)]) {
      const file = join(folder, 'cgroup.controllers');
      const offered = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : [];
      if (offered.includes('memory') && offered.includes('pids')) {
        places.push({ version: 2, memory: folder, pids: folder });
      }
    }
  }
  const memory = folderOf('memory');
  const pids = folderOf('pids');
  if (memory !== undefined && pids !== undefined) places.push({ version: 1, memory, pids });
  return places;
}

/** Where a group's path is mounted. A container sees its part of the tree only. */
function mountedAt(mounts: string, controller: string, path: string): string | undefined {
  for (const line of mounts.trim().split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '/', point = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    const fits =
      controller === '' ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes(controller);
    if (!fits) continue;
    const inside = relative(root, path);
    return inside.startsWith('..') ? point : join(point, inside);
  }
  return undefined;
}

function enableControllers(folder: string): void {
  const file = join(folder, 'cgroup.subtree_control');
  const enabled = readFileSync(file, 'utf8').trim().split(' ');
  if (enabled.includes('memory') && enabled.includes('pids')) return;
  writeFileSync(file, '+memory +pids');
}

/** One control group: a limit of memory and of processes for everything that was started in it. */
export class Cgroup {
  readonly #version: 1 | 2;
  readonly #memory: string;
  readonly #pids: string;

  constructor(version: 1 | 2, memory: string, pids: string, { memoryMiB, processes }: CgroupLimits) {
    this.#version = version;
    this.#memory = memory;
    this.#pids = pids;
    for (const folder of new Set([memory, pids])) mkdirSync(folder, { recursive: true });
    const bytes = String(memoryMiB * 1024 * 1024);
    if (version === 2) {
      writeFileSync(join(memory, 'memory.max'), bytes);
      this.#tryWrite('memory.swap.max', '0');
    } else {
      writeFileSync(join(memory, 'memory.limit_in_bytes'), bytes);
      this.#tryWrite('memory.memsw.limit_in_bytes', bytes);
    }
    writeFileSync(join(pids, 'pids.max'), String(processes));
  }

  /** Files into which a process writes 0 to enter the group. */
  get entrances(): readonly string[] {
    return [...new Set([this.#memory, this.#pids])].map((folder) => join(folder, 'cgroup.procs'));
  }

  /** How many processes the kernel has killed because the group was out of memory. */
  memoryKills(): number {
    const file = join(this.#memory, this.#version === 2 ? 'memory.events' : 'memory.oom_control');
    try {
      return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
    } catch {
      return 0; // The group is gone already.
    }
  }

  /** Ends everything in the group. First nothing new may be started: otherwise a fork bomb would outrun us. */
  kill(): void {
    try {
      writeFileSync(join(this.#pids, 'pids.max'), '0');
    } catch {
      return; // The group is gone already.
    }
    for (const file of this.entrances) killAllIn(file);
  }

  close(): void {
    this.kill();
    for (const folder of new Set([this.#memory, this.#pids])) removeFolder(folder);
  }

  #tryWrite(name: string, value: string): void {
    try {
      writeFileSync(join(this.#memory, name), value);
    } catch {
      // No accounting of swap in this kernel: the limit of memory holds all the same.
    }
  }
}

function killAllIn(file: string): void {
  if (!existsSync(file)) return;
  for (const pid of readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number)) {
    if (pid === process.pid) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
}

/** A group can be removed once its dead are collected, which takes a moment. */
function removeFolder(folder: string, attempts = 50): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeFolder(join(folder, entry.name), 0);
    }
    rmdirSync(folder);
  } catch (error) {
    if (reasonOf(error) === 'ENOENT' || attempts <= 0) return;
    setTimeout(() => removeFolder(folder, attempts - 1), 20).unref();
  }
}
