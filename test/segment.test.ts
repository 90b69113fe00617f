import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { monotonicNs } from '../src/platform/clock.ts';
import { SharedMemory } from '../src/platform/shared-memory.ts';
import { ArmSegment, type ArmSnapshot, createArmSnapshot } from '../src/segment/arm-segment.ts';
import { CameraReader } from '../src/segment/camera-ring.ts';
import { ChunkReader, createReceivedChunk } from '../src/segment/chunk-exchange.ts';
import { Lease } from '../src/segment/lease.ts';
import { type Started, sharedMemoryWith, start, uniqueName, until } from './support/processes.ts';

const CHILD = 'test/support/segment-child.mjs';
const child = (mode: string, name: string): Started => start([process.execPath, CHILD, mode, name]);
const options = { dof: 7, model: 'X5', interfaceName: 'none' };
const READS = 200_000;
const DIFFERENT = 500;

/** Whether the numbers of a snapshot are all of one tick. */
const isWhole = ({
  tick,
  position,
  driverTemperatureC,
  feedbackAgeNs,
  controlTimestampS,
  jointPositions,
}: ArmSnapshot) =>
  position.every((value) => value === tick) &&
  driverTemperatureC.every((value) => value === tick) &&
  feedbackAgeNs[15] === tick &&
  controlTimestampS === tick &&
  jointPositions[6] === tick;

describe('segments between processes', () => {
  const names: string[] = [];
  const unique = (prefix: string): string => {
    const name = uniqueName(prefix);
    names.push(name);
    return name;
  };
  afterEach(() => {
    for (const name of names.splice(0)) {
      for (const left of sharedMemoryWith(name)) SharedMemory.unlink(left);
    }
  });

  it('never shows half a state to a reader beside a writer that does not pause', async () => {
    const name = unique('myelin_test_state');
    const writer = child('state', name);
    await writer.says(/ready/);
    using segment = ArmSegment.open(name, { readOnly: true });
    const snapshot = createArmSnapshot();
    let whole = 0;
    const ticks = new Set<number>();
    const read = () => {
      for (let i = 0; i < 10_000; i++) {
        if (!segment.readState(snapshot)) continue;
        if (!isWhole(snapshot)) throw new Error(`half a state: ${snapshot.tick} with ${snapshot.position}`);
        whole++;
        ticks.add(snapshot.tick);
      }
      return whole >= READS && ticks.size >= DIFFERENT;
    };
    await until(`${READS} reads of ${DIFFERENT} states`, read, 50_000);
  });

  it('never shows half a chunk to the control process beside a commander that does not pause', async () => {
    const name = unique('myelin_test_chunks');
    using segment = ArmSegment.create(name, options);
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    const commander = child('chunks', name);
    await commander.says(/ready/);
    let taken = 0;
    await until('1000 chunks were taken', () => {
      for (let i = 0; i < 1000; i++) {
        if (!reader.poll(out)) continue;
        taken++;
        expect([out.rows, out.dof, out.timestep, out.startNs]).toEqual([50, 7, out.sequence, out.sequence]);
        expect(out.actions.subarray(0, 350).every((value) => value === out.sequence)).toBe(true);
      }
      return taken >= 1000;
    });
    expect(reader.foreign).toBe(0);
  });

  it('never shows half a picture, and follows a camera that is started anew', async () => {
    const camera = unique('test_cam');
    const first = child('camera', camera);
    await first.says(/ready/);
    using reader = CameraReader.open(camera);
    const look = (count: number): Promise<void> =>
      until(`${count} pictures were read`, () => {
        for (let i = 0; i < 50 && count > 0; i++) {
          const frame = reader.read();
          if (frame === undefined) continue;
          expect(frame.rgb.every((value) => value === frame.rgb[0])).toBe(true);
          expect(frame.capturedNs & 255).toBe(frame.rgb[0]);
          count--;
        }
        return count === 0;
      });
    await look(200);
    first.child.kill('SIGKILL');
    await first.exited;
    expect(reader.read()).toBeDefined();
    expect(reader.writerAlive).toBe(false);
    const second = child('camera', camera);
    await second.says(/ready/);
    await until('the reader found the new ring', () => reader.read() !== undefined && reader.writerAlive);
    await look(50);
    second.child.kill('SIGTERM');
    expect(await second.exited).toBe(0);
    expect(sharedMemoryWith(camera)).toEqual([]);
  });

  it('keeps readers going when the writer is killed at any moment, and lets them know', async () => {
    for (let round = 0; round < 5; round++) {
      const name = unique('myelin_test_kill');
      const writer = child('state', name);
      await writer.says(/ready/);
      using segment = ArmSegment.open(name, { readOnly: true });
      await new Promise((done) => setTimeout(done, 5 + 7 * round));
      writer.child.kill('SIGKILL');
      await writer.exited;
      const snapshot = createArmSnapshot();
      if (segment.readState(snapshot)) expect(isWhole(snapshot)).toBe(true);
      expect(segment.ownerAlive).toBe(false);
    }
  });

  it('does not hang a reader on a state that a killed writer left half written', async () => {
    const name = unique('myelin_test_half');
    const writer = child('half', name);
    await writer.says(/ready/);
    using reader = ArmSegment.open(name, { readOnly: true });
    const snapshot = createArmSnapshot();
    expect([reader.readState(snapshot), reader.ownerAlive]).toEqual([false, true]);
    writer.child.kill('SIGKILL');
    await writer.exited;
    expect([reader.readState(snapshot), reader.ownerAlive]).toEqual([false, false]);

    using heir = ArmSegment.create(name, options);
    expect(reader.current).toBe(false);
    using again = ArmSegment.open(name);
    expect([again.readState(snapshot), again.ownerAlive]).toEqual([true, true]);
    heir.unlink();
  });

  it('lets a new commander in at once when the old one was killed, with whole chunks only', async () => {
    const name = unique('myelin_test_lease');
    using segment = ArmSegment.create(name, options);
    segment.fields.watchdogTimeoutS = 3600;
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    for (let round = 0; round < 4; round++) {
      const commander = child('chunks', name);
      await commander.says(/ready/);
      expect(() => Lease.acquire(segment, 'intruder', monotonicNs())).toThrow(
        `The arm is commanded by chunks (process ${commander.pid})`,
      );
      await new Promise((done) => setTimeout(done, 3 + 5 * round));
      commander.child.kill('SIGKILL');
      await commander.exited;
      if (reader.poll(out)) {
        expect(out.actions.subarray(0, 350).every((value) => value === out.sequence)).toBe(true);
      }
      expect(Lease.holder(segment, monotonicNs())).toBeUndefined();
    }
  });

  it('belongs to one of several that race for a stale one, and to a stopped owner as well', async () => {
    const name = unique('myelin_test_race');
    const dead = child('create', name);
    await dead.says(/created/);
    dead.child.kill('SIGKILL');
    await dead.exited;
    expect(sharedMemoryWith(name)).toEqual([name]);

    const racers = Array.from({ length: 4 }, () => child('create', name));
    const words = await Promise.all(racers.map((racer) => racer.says(/created|refused \w+/)));
    expect(words.filter((word) => word === 'created')).toHaveLength(1);
    expect(words.filter((word) => word === 'refused SEGMENT_IN_USE')).toHaveLength(3);

    const winner = racers[words.indexOf('created')]!;
    winner.child.kill('SIGSTOP');
    expect(() => ArmSegment.create(name, options)).toThrow(`belongs to process ${winner.pid}`);
  });

  it('says clearly when /dev/shm is full, read-only or missing', async (context) => {
    const inNamespace = (prepare: string, name: string) =>
      spawnSync(
        'unshare',
        ['--mount', 'sh', '-c', `${prepare} && exec "$0" "$@"`, process.execPath, CHILD, 'create', name],
        {
          encoding: 'utf8',
          timeout: 20_000,
        },
      );
    const probe = inNamespace(
      'mount -t tmpfs -o size=64k tmpfs /dev/shm && echo mounted',
      unique('myelin_test_full'),
    );
    if (!probe.stdout?.includes('mounted'))
      context.skip('this machine lets us make no mount namespace (needs root)');
    expect(probe.stdout).toMatch(
      /refused SEGMENT_NO_SPACE: Shared memory has no room for \d+ bytes \(ENOSPC\)/,
    );

    const readOnly = inNamespace('mount -t tmpfs -o ro tmpfs /dev/shm', unique('myelin_test_ro'));
    expect(readOnly.stdout).toMatch(/refused SEGMENT_FORBIDDEN: .* cannot be made: EROFS \(.*remount,rw/);

    const missing = inNamespace(
      'mount -t tmpfs tmpfs /dev && ! test -e /dev/shm',
      unique('myelin_test_none'),
    );
    expect(missing.stdout).toMatch(/refused SEGMENT_FORBIDDEN: .* cannot be made: ENOENT \(.*--shm-size/);
  });
});
