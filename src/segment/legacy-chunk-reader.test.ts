import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArmSegment } from './arm-segment.ts';
import { ChunkWriter } from './chunk-exchange.ts';
import { Lease } from './lease.ts';
import { LegacyChunkReader } from './legacy-chunk-reader.ts';
import { createReceivedChunk } from './received-chunk.ts';

const name = `myelin_test_legacy_${process.pid}`;

describe('LegacyChunkReader', () => {
  let segment: ArmSegment;
  let reader: LegacyChunkReader;
  const out = createReceivedChunk();
  let now = 0;
  let heartbeat = 0;
  const tick = (): boolean => {
    now += 2e6;
    return reader.poll(now, out);
  };
  const nextHeartbeat = (): number => {
    heartbeat += 0.001;
    return heartbeat;
  };
  const ticks = (count: number): number => Array.from({ length: count }, tick).filter(Boolean).length;
  const script = (value: number, count: number): void => {
    for (let i = 0; i < Math.min(count, 36) * 7; i++) segment.fields.actions[i] = value;
    segment.fields.actionCount = count;
    segment.fields.inferenceTimestampS = nextHeartbeat();
  };

  beforeEach(() => {
    now = 10e9;
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'can0' });
    segment.fields.defaultStepPeriodS = 0.05;
    reader = new LegacyChunkReader(segment);
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
    rmSync(`/dev/shm/${name}`, { force: true });
  });

  it('takes a chunk when the heartbeat has changed and the rows held still for a tick', () => {
    expect(ticks(3)).toBe(0);
    script(0.5, 36);
    expect([tick(), tick(), tick()]).toEqual([false, true, false]);
    expect(out).toMatchObject({ rows: 36, dof: 7, stepPeriodS: 0.05, startNs: now - 2e6, source: 0 });
    expect(out.actions[251]).toBe(0.5);
  });

  it('waits while rows are still being written', () => {
    script(0.5, 36);
    tick();
    segment.fields.actions[100] = 0.6;
    expect([tick(), tick()]).toEqual([false, true]);
    expect(out.actions[100]).toBe(0.6);
  });

  it('ignores rows without a heartbeat', () => {
    segment.fields.actions.fill(1);
    segment.fields.actionCount = 36;
    expect(ticks(5)).toBe(0);
  });

  it('lets a chunk go on when only the heartbeat changes, however fast', () => {
    script(0.5, 2);
    expect(ticks(2)).toBe(1);
    for (let i = 0; i < 5; i++) {
      segment.fields.inferenceTimestampS = nextHeartbeat();
      expect(tick()).toBe(false);
    }
    script(0.7, 2);
    segment.fields.inferenceTimestampS = nextHeartbeat();
    tick();
    segment.fields.inferenceTimestampS = nextHeartbeat();
    expect(tick()).toBe(true);
  });

  it('runs the same rows once more after a count of 0', () => {
    script(0.5, 2);
    expect(ticks(2)).toBe(1);
    script(0.5, 0);
    expect(ticks(3)).toBe(0);
    script(0.5, 2);
    expect(ticks(2)).toBe(1);
  });

  it('takes a row of NaN as it is and a count past the page as an empty chunk: both are to be refused', () => {
    script(Number.NaN, 1);
    expect(ticks(3)).toBe(1);
    expect(out.actions[0]).toBeNaN();
    script(0, 37);
    expect(ticks(3)).toBe(1);
    expect(out.rows).toBe(0);
  });

  it('leaves the page alone while somebody holds the lease, and does not replay it afterwards', () => {
    const lease = Lease.acquire(segment, 'policy', now);
    new ChunkWriter(segment).publish(
      {
        actions: new Float64Array(7).fill(0.3),
        rows: 1,
        dof: 7,
        stepPeriodS: 1,
        timestep: 0,
        observedNs: 0,
      },
      now,
    );
    lease.heartbeat(now, nextHeartbeat());
    expect(ticks(3)).toBe(0);
    lease.heartbeat(now, nextHeartbeat());
    lease.release();
    expect(ticks(3)).toBe(0);
    script(0.4, 1);
    expect(ticks(3)).toBe(1);
  });

  it('gives an arm with fewer joints the first of each row', () => {
    segment.fields.dof = 6;
    for (let i = 0; i < 14; i++) segment.fields.actions[i] = i;
    segment.fields.actionCount = 2;
    segment.fields.inferenceTimestampS = 1;
    expect(ticks(2)).toBe(1);
    expect([...out.actions.subarray(0, 12)]).toEqual([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]);
  });
});
