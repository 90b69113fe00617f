import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { monotonicNs, sleepUntilNs, spinUntilNs, unixS } from './clock.ts';
import { distEntry, packageRoot } from './entry.ts';
import { assertPlatform, errnoName } from './libc.ts';
import { isAlive, parentPid, runtimeDir } from './process.ts';

describe('process', () => {
  it('knows living processes from dead ones', () => {
    const dead = spawnSync('true').pid;
    expect([process.pid, 1, dead, 0, -1, 2 ** 22 + 1].map((pid) => isAlive(pid))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(parentPid()).toBe(process.ppid);
  });

  it('keeps sockets in a folder that is this user alone', () => {
    const base = mkdtempSync(join(tmpdir(), 'myelin-run-'));
    const folder = runtimeDir({ XDG_RUNTIME_DIR: base });
    expect(folder).toBe(join(base, 'myelin'));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    chmodSync(folder, 0o755);
    expect(() => runtimeDir({ XDG_RUNTIME_DIR: base })).toThrow(/belongs to user/);
    rmSync(base, { recursive: true });
    expect(runtimeDir({ XDG_RUNTIME_DIR: base })).toMatch(/^\/tmp\/myelin-\d+$/);
  });

  it('finds the package, and says what to do when a compiled file is missing', () => {
    expect(packageRoot()).toBe(process.cwd());
    expect(() => distEntry('no/such.js')).toThrow(/has not been built/);
  });

  it('refuses other systems by name', () => {
    expect(() => assertPlatform('Shared memory', 'darwin', 'arm64')).toThrow(
      'Shared memory needs Linux, this is darwin on arm64',
    );
    expect(() => assertPlatform('Shared memory', 'linux', 'arm64')).not.toThrow();
    expect(errnoName(28)).toBe('ENOSPC');
  });
});

describe('clock', () => {
  it('never goes backwards and agrees with the system', () => {
    let last = monotonicNs();
    for (let i = 0; i < 10_000; i++) {
      const now = monotonicNs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    const before = Number(process.hrtime.bigint());
    const now = monotonicNs();
    expect(now).toBeGreaterThanOrEqual(before - 1);
    expect(now).toBeLessThanOrEqual(Number(process.hrtime.bigint()) + 1);
    const early = Date.now() / 1000;
    const unix = unixS();
    expect(unix).toBeGreaterThanOrEqual(early - 0.002);
    expect(unix).toBeLessThanOrEqual(Date.now() / 1000 + 0.002);
  });

  it.each([
    ['sleeps', sleepUntilNs],
    ['spins', spinUntilNs],
  ])('%s until a deadline, and not at all when it has passed', (_, waitUntilNs) => {
    // Over the turn of a second too, which the clock counts apart.
    for (const deadlineNs of [monotonicNs() + 3e6, Math.ceil(monotonicNs() / 1e9) * 1e9 + 10]) {
      waitUntilNs(deadlineNs);
      expect(monotonicNs()).toBeGreaterThanOrEqual(deadlineNs);
    }
    const startNs = monotonicNs();
    waitUntilNs(startNs - 1);
    waitUntilNs(0);
    waitUntilNs(Number.NaN);
    expect(monotonicNs() - startNs).toBeLessThan(0.5e9);
  });
});
