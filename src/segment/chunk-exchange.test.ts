import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ActionChunk } from '../core/chunk.ts';
import { MAX_CHUNK_ROWS, MAX_DOF } from '../core/joints.ts';
import { CHUNK_SLOT_BYTES, CHUNK_SLOT_LAYOUT, CHUNK_SLOTS_OFFSET } from './arm-layout.ts';
import { ArmSegment } from './arm-segment.ts';
import { ChunkReader, ChunkWriter } from './chunk-exchange.ts';
import { Lease } from './lease.ts';
import { createReceivedChunk } from './received-chunk.ts';

const name = `myelin_test_chunk_${process.pid}`;
const chunkOf = (rows: number, dof: number, value: (index: number) => number): ActionChunk => ({
  actions: Float64Array.from({ length: rows * dof }, (_, index) => value(index)),
  rows,
  dof,
  stepPeriodS: 1 / 30,
  timestep: 17,
  observedNs: 5,
});
const constant = (rows: number, dof: number, value: number): ActionChunk => chunkOf(rows, dof, () => value);

describe('chunk exchange', () => {
  let segment: ArmSegment;
  beforeEach(() => {
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'can0' });
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
    rmSync(`/dev/shm/${name}`, { force: true });
  });

  it('hands over every chunk exactly as it was published, once', () => {
    const reader = new ChunkReader(segment);
    const writer = new ChunkWriter(segment);
    const out = createReceivedChunk();
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MAX_CHUNK_ROWS }),
        fc.integer({ min: 1, max: MAX_DOF }),
        fc.double(),
        fc.double({ noNaN: true }),
        (rows, dof, value, startNs) => {
          const chunk = chunkOf(rows, dof, (index) => value + index);
          const sequence = writer.publish(chunk, startNs);
          expect(reader.poll(out)).toBe(true);
          expect(out.actions.subarray(0, rows * dof)).toEqual(chunk.actions);
          expect(out).toMatchObject({ rows, dof, startNs, sequence, timestep: 17, observedNs: 5 });
          expect([out.stepPeriodS, out.source]).toEqual([1 / 30, process.pid]);
          expect(reader.poll(out)).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives the newest of several, and nothing that was there before the reader', () => {
    const writer = new ChunkWriter(segment);
    writer.publish(constant(2, 7, 1), 0);
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    expect(reader.poll(out)).toBe(false);
    for (let n = 0; n < 9; n++) writer.publish(constant(2, 7, n), n);
    expect([reader.poll(out), out.actions[0], out.sequence]).toEqual([true, 8, 10]);
  });

  it('goes on counting when the commander is started anew', () => {
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    new ChunkWriter(segment).publish(constant(1, 7, 1), 0);
    reader.poll(out);
    expect(new ChunkWriter(segment).publish(constant(1, 7, 2), 0)).toBe(2);
    expect([reader.poll(out), out.actions[0]]).toEqual([true, 2]);
  });

  it('mirrors the first 36 rows of 7 joints into the first page', () => {
    const writer = new ChunkWriter(segment);
    writer.publish(
      chunkOf(50, 9, (index) => index),
      0,
    );
    expect(segment.fields.actionCount).toBe(36);
    expect([...segment.fields.actions.slice(0, 8)]).toEqual([0, 1, 2, 3, 4, 5, 6, 9]);
    writer.publish(constant(1, 6, 4), 0);
    expect([segment.fields.actionCount, ...segment.fields.actions.slice(0, 8)]).toEqual([
      1, 4, 4, 4, 4, 4, 4, 0, 9,
    ]);
  });

  it('never hands over a chunk that is being written, or one that two writers spoiled', () => {
    const writer = new ChunkWriter(segment);
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    const sequence = writer.publish(constant(20, 7, 1), 0);
    const slot = CHUNK_SLOTS_OFFSET + (sequence % 4) * CHUNK_SLOT_BYTES;
    const words = new Uint32Array(segment.memory.buffer, slot, 2);
    const rows = new Float64Array(segment.memory.buffer, slot + CHUNK_SLOT_LAYOUT.actions.offset, 140);
    words[0] = 0;
    expect(reader.poll(out)).toBe(false);
    words[0] = sequence;
    rows[139] = 2;
    expect(reader.poll(out)).toBe(false);
    rows[139] = 1;
    expect(reader.poll(out)).toBe(true);
  });

  it('hands over a header that makes no sense as an empty chunk, to be refused', () => {
    const writer = new ChunkWriter(segment);
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    const sequence = writer.publish(constant(1, 7, 1), 0);
    new Uint32Array(segment.memory.buffer, CHUNK_SLOTS_OFFSET + (sequence % 4) * CHUNK_SLOT_BYTES, 2)[1] =
      4e9;
    expect([reader.poll(out), out.rows]).toEqual([true, 0]);
  });

  it('refuses to publish a chunk of the wrong size', () => {
    const writer = new ChunkWriter(segment);
    const short = { ...constant(3, 7, 0), rows: 4 };
    for (const chunk of [constant(0, 7, 0), constant(129, 7, 0), constant(1, 17, 0), short]) {
      expect(() => writer.publish(chunk, 0)).toThrow(/The chunk is/);
    }
  });

  it('takes chunks from the lease holder only', () => {
    const writer = new ChunkWriter(segment);
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    using lease = Lease.acquire(segment, 'test', 0);
    writer.publish(constant(1, 7, 1), 0);
    // Another process takes the lease before the control process looks.
    segment.fields.leaseOwner = 1;
    expect([reader.poll(out), reader.foreign]).toEqual([false, 1]);
    expect(() => writer.publish(constant(1, 7, 1), 0)).toThrow('The arm is commanded by process 1');
    lease.release();
    expect(segment.fields.leaseOwner).toBe(1);
  });
});
