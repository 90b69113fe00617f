import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArmSegment } from '../segment/arm-segment.ts';
import { Lease } from '../segment/lease.ts';
import { HeartbeatWatch } from './heartbeat-watch.ts';

const name = `myelin_test_heartbeat_${process.pid}`;

describe('the heartbeat watch', () => {
  let segment: ArmSegment;
  let watch: HeartbeatWatch;
  beforeEach(() => {
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });
    segment.fields.watchdogTimeoutS = 1;
    watch = new HeartbeatWatch(segment);
    watch.restart(10e9);
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
    rmSync(`/dev/shm/${name}`, { force: true });
  });

  it('counts silence from the restart until a heartbeat is seen, and from there again', () => {
    expect(watch.silentNs(10.4e9)).toBe(0.4e9);
    using lease = Lease.acquire(segment, 'policy', 10.4e9);
    lease.heartbeat(10.45e9, 1);
    expect(watch.silentNs(10.5e9)).toBe(0);
    expect(watch.silentNs(10.9e9)).toBeCloseTo(0.4e9, 0);
  });

  it('counts a script that only writes its timestamp while nobody holds the lease', () => {
    segment.fields.inferenceTimestampS = 5;
    expect(watch.silentNs(10.5e9)).toBe(0);
  });

  it("counts only the holder's heartbeat while the lease is held", () => {
    using lease = Lease.acquire(segment, 'policy', 10.2e9);
    expect(watch.silentNs(10.2e9)).toBe(0);
    segment.fields.inferenceTimestampS = 5;
    expect(watch.silentNs(10.5e9)).toBeCloseTo(0.3e9, 0);
    expect(lease.held).toBe(true);
  });

  it('lets no lease that is dated far ahead drown the sign of life of a script', () => {
    segment.fields.leaseOwner = process.pid;
    segment.fields.leaseHeartbeatNs = 1e18;
    expect(watch.silentNs(10.5e9)).toBe(0.5e9);
    segment.fields.inferenceTimestampS = 5;
    expect(watch.silentNs(10.6e9)).toBe(0);
  });
});
