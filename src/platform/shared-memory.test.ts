import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../core/errors.ts';
import { SharedMemory } from './shared-memory.ts';

const name = `myelin_test_memory_${process.pid}`;
const failure = (run: () => unknown): ErrorCode | undefined => {
  try {
    run();
  } catch (error) {
    return (error as { code?: ErrorCode }).code;
  }
  return undefined;
};

describe('SharedMemory', () => {
  afterEach(() => {
    rmSync(`/dev/shm/${name}`, { force: true });
  });

  it('shows what one opener writes to every other, atomically too', () => {
    using writer = SharedMemory.create(name, 8192);
    using reader = SharedMemory.open(name, { readOnly: true });
    new Float64Array(writer.buffer)[7] = 1.25;
    Atomics.or(new Uint32Array(writer.buffer), 0, 6);
    expect(reader.bytes).toBe(8192);
    expect(new Float64Array(reader.buffer)[7]).toBe(1.25);
    expect(Atomics.load(new Uint32Array(reader.buffer), 0)).toBe(6);
  });

  it('is hidden, if so wanted, until it appears under its name', () => {
    using memory = SharedMemory.create(name, 4096, { hidden: true });
    new Uint8Array(memory.buffer)[0] = 9;
    expect(SharedMemory.list()).not.toContain(name);
    memory.appear();
    using other = SharedMemory.open(name);
    expect(new Uint8Array(other.buffer)[0]).toBe(9);
  });

  it('keeps hidden when its name is taken, and can appear later', () => {
    const first = SharedMemory.create(name, 4096);
    using second = SharedMemory.create(name, 8192, { hidden: true });
    expect(failure(() => second.appear())).toBe('SEGMENT_EXISTS');
    first.unlink();
    first.close();
    second.appear();
    using found = SharedMemory.open(name);
    expect(found.bytes).toBe(8192);
  });

  it('refuses a name that is taken, one that is missing, and one that leaves /dev/shm', () => {
    using _first = SharedMemory.create(name, 4096);
    expect(failure(() => SharedMemory.create(name, 4096))).toBe('SEGMENT_EXISTS');
    expect(failure(() => SharedMemory.open(`${name}_no`))).toBe('SEGMENT_MISSING');
    expect(failure(() => SharedMemory.open('../etc/passwd'))).toBe('INVALID_ARGUMENT');
  });

  it('does not follow a symbolic link, and takes an empty file for a missing segment', () => {
    symlinkSync('/etc/passwd', `/dev/shm/${name}`);
    expect(failure(() => SharedMemory.open(name, { readOnly: true }))).toBe('SEGMENT_FORBIDDEN');
    rmSync(`/dev/shm/${name}`);
    writeFileSync(`/dev/shm/${name}`, '');
    expect(failure(() => SharedMemory.open(name))).toBe('SEGMENT_MISSING');
  });

  it('tells a full /dev/shm at creation', () => {
    expect(failure(() => SharedMemory.create(name, 2 ** 45))).toBe('SEGMENT_NO_SPACE');
    expect(SharedMemory.list()).not.toContain(name);
  });

  it('is claimed by its maker until that one closes it', () => {
    const maker = SharedMemory.create(name, 4096);
    using other = SharedMemory.open(name);
    using watcher = SharedMemory.open(name, { readOnly: true });
    expect([maker, other, watcher].map((opener) => opener.claimed())).toEqual([true, true, true]);
    expect([maker.claim(), other.claim()]).toEqual([true, false]);
    maker.close();
    expect([watcher.claimed(), other.claim(), watcher.claimed()]).toEqual([false, true, true]);
  });

  it('removes its own name and never a newer segment of that name', () => {
    using old = SharedMemory.create(name, 4096);
    SharedMemory.unlink(name);
    using newer = SharedMemory.create(name, 4096);
    old.unlink();
    expect([old.current, newer.current]).toEqual([false, true]);
    newer.unlink();
    expect(SharedMemory.unlink(name)).toBe(false);
  });

  it('reads zeros, and does not crash, through a view that outlives close', () => {
    const memory = SharedMemory.create(name, 4096);
    const view = new Uint32Array(memory.buffer);
    view[0] = 5;
    memory.close();
    memory.close();
    expect(view[0]).toBe(0);
    using again = SharedMemory.open(name);
    expect(new Uint32Array(again.buffer)[0]).toBe(5);
  });
});
