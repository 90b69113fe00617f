import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { monotonicNs, unixS } from '../platform/clock.ts';
import { ArmSegment, createArmSnapshot } from '../segment/arm-segment.ts';
import { CameraWriter } from '../segment/camera-ring.ts';
import { ChunkWriter } from '../segment/chunk-exchange.ts';
import { Lease } from '../segment/lease.ts';
import { inspectSegment } from '../segment/owned-segment.ts';
import { WorldSegment } from '../segment/world-segment.ts';
import { dumpSegment } from './segment-dump.ts';
import { watchLines } from './segment-watch.ts';

const name = `myelin_test_dump_${process.pid}`;
const now = { monotonicNs: monotonicNs(), unixS: unixS() };
const dump = (segment: string): string => dumpSegment(inspectSegment(segment)!, now);

describe('segment in words', () => {
  let segment: ArmSegment;
  beforeEach(() => {
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'can0' });
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
    rmSync(`/dev/shm/${name}`, { force: true });
  });

  it('names states, bits and ages, and shows only the joints in use', () => {
    const { fields } = segment;
    fields.controlState = 1;
    fields.errors = 5;
    fields.holdReason = 2;
    fields.controlTimestampS = now.unixS - 2;
    fields.position.set([0.5, 0, 0, 0, 0, 0, 0.04]);
    fields.latenessHistogram[0] = 10;
    const lease = Lease.acquire(segment, 'policy', monotonicNs());
    new ChunkWriter(segment).publish(
      {
        actions: new Float64Array(14).fill(0.25),
        rows: 2,
        dof: 7,
        stepPeriodS: 0.1,
        timestep: 0,
        observedNs: 0,
      },
      now.monotonicNs + 1e9,
    );
    const text = dump(name);
    expect(text).toContain(`${name}: an arm segment, layout 1, 102400 bytes, made by process ${process.pid}`);
    expect(text).toMatch(/controlState +1 RUNNING/);
    expect(text).toMatch(/errors +5 = TIMEOUT \+ COMMUNICATION/);
    expect(text).toMatch(/holdReason +2 WATCHDOG/);
    expect(text).toMatch(/controlTimestampS +20\d\d-.* \(2\.000 s ago\)/);
    expect(text).toMatch(/ position +0\.5 0 0 0 0 0 0\.04 /);
    expect(text).toMatch(/latenessHistogram +10 values, p50/);
    expect(text).toMatch(/leaseName +"policy"/);
    expect(text).toMatch(/row {2}1 {2}0\.25 0\.25/);
    expect(text).toMatch(/startNs +in 1\.000 s/);
    lease.release();
  });

  it('still dumps a segment whose owner stopped in the middle of a write, and says so', () => {
    segment.beginState();
    expect(dump(name)).toContain('mixes two states');
    segment.endState();
  });

  it('dumps camera rings and worlds too', () => {
    const own = `test_dump_${process.pid}`;
    using camera = CameraWriter.create(own, { width: 4, height: 2, frequencyHz: 30 });
    camera.publish(monotonicNs(), unixS());
    expect(dump(`myelin_cam_${own}`)).toMatch(/frameSequence +1 [\s\S]*Slot 1\n +slotSequence +1 /);
    using world = WorldSegment.create(own, { arm: 'X5' });
    world.fields.objectNames = 'red_0';
    world.fields.objectCount = 1;
    expect(dump(`myelin_world_${own}`)).toMatch(/objectNames +"red_0"/);
    world.unlink();
  });

  it('is watched in a few lines', () => {
    const snapshot = createArmSnapshot();
    segment.fields.controlState = 2;
    segment.readState(snapshot);
    const lines = watchLines(segment, snapshot, 500, monotonicNs());
    expect(lines[0]).toBe(`${name}  X5 on can0  PAUSED`);
    expect(lines.join('\n')).toMatch(/500\.0 Hz[\s\S]*commander {2}nobody/);
    expect(lines.length).toBeLessThan(16);
  });
});
