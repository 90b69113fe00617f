import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CgroupParent } from './cgroup.ts';

/** Plain folders in the kernel's layout: what is written where. What it does is tested with real groups and processes. */
describe('control groups', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'myelin-cgroup-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const own = `myelin-${process.pid}`;
  const v2 = () => ({ membership: '0::/app\n', mounts: `30 20 0:26 / ${root} rw - cgroup2 cgroup rw\n` });
  const delegate = (folder: string, controllers = 'cpu memory pids') => {
    mkdirSync(join(folder, own), { recursive: true });
    for (const path of [folder, join(folder, own)]) {
      writeFileSync(join(path, 'cgroup.controllers'), `${controllers}\n`);
      writeFileSync(join(path, 'cgroup.subtree_control'), '\n');
    }
  };

  it('of version 2 are made below our own, with the controllers handed down', () => {
    delegate(join(root, 'app'));
    const parent = CgroupParent.find(v2());
    if (typeof parent === 'string') throw new Error(parent);
    expect(parent.version).toBe(2);
    const group = parent.create('one', { memoryMiB: 100, processes: 7 });
    const folder = join(root, 'app', own, 'one');
    expect(readFileSync(join(root, 'app/cgroup.subtree_control'), 'utf8')).toBe('+memory +pids');
    expect(readFileSync(join(folder, 'memory.max'), 'utf8')).toBe('104857600');
    expect(readFileSync(join(folder, 'pids.max'), 'utf8')).toBe('7');
    expect(group.entrances).toEqual([join(folder, 'cgroup.procs')]);
    writeFileSync(join(folder, 'memory.events'), 'low 0\noom 3\noom_kill 2\n');
    expect(group.memoryKills()).toBe(2);
  });

  it('of version 1 are one folder for each controller, found through their mounts', () => {
    for (const name of ['memory', 'pids']) mkdirSync(join(root, name, 'part'), { recursive: true });
    const mounts = ['memory', 'pids']
      .map((name) => `30 20 0:26 / ${root}/${name} rw - cgroup cgroup rw,${name}`)
      .join('\n');
    const parent = CgroupParent.find({ membership: '5:memory:/part\n4:pids:/part\n0::/\n', mounts });
    if (typeof parent === 'string') throw new Error(parent);
    expect(parent.version).toBe(1);
    expect(parent.folders).toEqual(['memory', 'pids'].map((name) => join(root, name, 'part', own)));
    const group = parent.create('one', { memoryMiB: 1, processes: 7 });
    expect(readFileSync(join(root, 'memory/part', own, 'one/memory.limit_in_bytes'), 'utf8')).toBe('1048576');
    expect(group.entrances).toHaveLength(2);
  });

  it('that are not ours to make are told with the reason', () => {
    expect(CgroupParent.find({ membership: '0::/\n', mounts: '' })).toBe(
      'there is no memory and pids controller here',
    );
    mkdirSync(join(root, 'app'));
    writeFileSync(join(root, 'app/cgroup.controllers'), 'memory pids\n');
    expect(CgroupParent.find(v2())).toMatch(/^not writable .*ENOENT/);
    expect(existsSync(join(root, 'app', own))).toBe(false);
    expect(
      CgroupParent.find(() => {
        throw Object.assign(new Error('no'), { code: 'EACCES' });
      }),
    ).toBe('cannot be read (EACCES)');
  });
});
