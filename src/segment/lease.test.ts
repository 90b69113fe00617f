import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArmSegment } from './arm-segment.ts';
import { Lease } from './lease.ts';

const name = `myelin_test_lease_${process.pid}`;
const livingStranger = 1;

describe('Lease', () => {
  let segment: ArmSegment;
  beforeEach(() => {
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'can0' });
    segment.fields.watchdogTimeoutS = 0.5;
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
    rmSync(`/dev/shm/${name}`, { force: true });
  });
  const strangerHolds = (pid: number, heartbeatNs: number): void => {
    segment.fields.leaseOwner = pid;
    segment.fields.leaseName = 'stranger';
    segment.fields.leaseHeartbeatNs = heartbeatNs;
  };

  it('names its holder and the time since the last heartbeat', () => {
    expect(Lease.holder(segment, 0)).toBeUndefined();
    using lease = Lease.acquire(segment, 'policy', 1e9);
    expect(lease.heartbeat(1.2e9, 77)).toBe(true);
    expect(Lease.holder(segment, 1.3e9)).toEqual({ pid: process.pid, name: 'policy', ageNs: 0.1e9 });
    expect(segment.fields.inferenceTimestampS).toBe(77);
  });

  it('is refused while another living process gives heartbeats', () => {
    strangerHolds(livingStranger, 1e9);
    expect(() => Lease.acquire(segment, 'policy', 1.4e9)).toThrow(
      'The arm is commanded by stranger (process 1)',
    );
  });

  it('lapses after the watchdog timeout, and at once when its holder is dead', () => {
    strangerHolds(livingStranger, 1e9);
    expect([Lease.isHeld(segment, 1.4e9), Lease.isHeld(segment, 1.5e9)]).toEqual([true, false]);
    Lease.acquire(segment, 'policy', 1.5e9).release();
    strangerHolds(spawnSync('true').pid, 2e9);
    using lease = Lease.acquire(segment, 'policy', 2.1e9);
    expect(lease.held).toBe(true);
  });

  it('lapses for a holder whose heartbeat lies further ahead than the timeout, so that no future date keeps it', () => {
    strangerHolds(livingStranger, 9e9);
    expect([Lease.isHeld(segment, 8.4e9), Lease.isHeld(segment, 8.5e9)]).toEqual([false, true]);
    expect(Lease.holder(segment, 1e9)).toBeUndefined();
    using lease = Lease.acquire(segment, 'policy', 1e9);
    expect(Lease.holder(segment, 1e9)).toEqual({ pid: process.pid, name: 'policy', ageNs: 0 });
    expect(lease.held).toBe(true);
  });

  it('tells a holder that has lost it, who then changes nothing any more', () => {
    const lease = Lease.acquire(segment, 'slow', 1e9);
    strangerHolds(livingStranger, 3e9);
    expect([lease.held, lease.heartbeat(3.1e9, 9)]).toEqual([false, false]);
    lease.release();
    expect(segment.fields.leaseOwner).toBe(livingStranger);
    expect(segment.fields.leaseHeartbeatNs).toBe(3e9);
  });

  it('keeps a commander without a process id here for as long as it gives heartbeats', () => {
    strangerHolds(2 ** 31 + 7, 1e9);
    expect(Lease.holder(segment, 1.4e9)).toMatchObject({ pid: 2 ** 31 + 7, name: 'stranger' });
    expect(() => Lease.acquire(segment, 'policy', 1.4e9)).toThrow(/^The arm is commanded by stranger$/);
    Lease.acquire(segment, 'policy', 1.5e9).release();
    // Nor is the process id of another namespace looked up in this one.
    segment.fields.pidNamespace = 1;
    strangerHolds(spawnSync('true').pid, 2e9);
    expect(Lease.holder(segment, 2.1e9)).toMatchObject({ name: 'stranger' });
  });

  it('tells what its holder promises, and nothing of what the one before it promised', () => {
    Lease.acquire(segment, 'project', 1e9, { holdTimeoutS: 0.2 }).release();
    expect(segment.fields.holdTimeoutS).toBe(0.2);
    Lease.acquire(segment, 'policy', 2e9).release();
    expect(segment.fields.holdTimeoutS).toBe(0);
  });

  it('is revoked by whoever answers for its holder, and only of that one', () => {
    using lease = Lease.acquire(segment, 'policy', 1e9);
    expect(Lease.revoke(segment, livingStranger)).toBe(false);
    expect(lease.held).toBe(true);
    expect(Lease.revoke(segment, process.pid)).toBe(true);
    expect([lease.held, segment.fields.leaseOwner]).toEqual([false, 0]);
  });

  it('is free again after release', () => {
    const lease = Lease.acquire(segment, 'policy', 1e9);
    lease.release();
    lease.release();
    expect(Lease.holder(segment, 1e9)).toBeUndefined();
    expect(segment.fields.leaseOwner).toBe(0);
  });
});
