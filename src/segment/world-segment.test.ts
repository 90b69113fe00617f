import { rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { createWorldSnapshot, WorldSegment } from './world-segment.ts';

const world = `test_${process.pid}`;

describe('WorldSegment', () => {
  afterEach(() => rmSync(`/dev/shm/myelin_world_${world}`, { force: true }));

  it('shows objects by name, all from one moment', () => {
    using writer = WorldSegment.create(world, { arm: 'X5' });
    using reader = WorldSegment.open(world);
    expect(reader.readObjects().size).toBe(0);
    writer.begin();
    writer.fields.objectNames = 'red_0,blue_0';
    writer.fields.objectCount = 2;
    writer.fields.objectPoses.set([1, 2, 3, 1, 0, 0, 0, 4, 5, 6, 1, 0, 0, 0]);
    writer.end();
    const objects = reader.readObjects();
    expect([...objects.keys()]).toEqual(['red_0', 'blue_0']);
    expect([...(objects.get('blue_0') ?? [])]).toEqual([4, 5, 6, 1, 0, 0, 0]);
  });

  it('keeps what it said before when the writer stops in the middle', () => {
    using writer = WorldSegment.create(world, { arm: 'X5' });
    using reader = WorldSegment.open(world);
    const snapshot = createWorldSnapshot();
    writer.begin();
    writer.fields.objectNames = 'red_0';
    writer.fields.objectCount = 1;
    writer.fields.qpos[3] = 0.5;
    writer.end();
    const before = reader.readObjects();
    writer.begin();
    writer.fields.objectPoses.fill(9);
    expect(reader.readState(snapshot)).toBe(false);
    expect(reader.readObjects()).toBe(before);
    writer.end();
    expect([reader.readState(snapshot), snapshot.qpos[3], snapshot.objectPoses[0]]).toEqual([true, 0.5, 9]);
    writer.unlink();
    expect(reader.current).toBe(false);
  });
});
