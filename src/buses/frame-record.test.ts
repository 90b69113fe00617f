import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCanFrame } from './can.ts';
import { createRecord, createStats, packRecord, unpackRecord } from './frame-record.ts';

const recordOf = (id: number, ...rest: number[]): Uint8Array => {
  const record = createRecord();
  new DataView(record.buffer).setUint32(0, id, true);
  record.set(rest, 4);
  return record;
};

describe('a CAN frame as a record', () => {
  it('is a little-endian id, a length, three unused bytes and the data', () => {
    const record = createRecord().fill(0xee);
    packRecord(0x7ff, Uint8Array.of(1, 2, 3, 4), 3, record);
    expect([...record]).toEqual([0xff, 0x07, 0, 0, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0]);
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7ff }), fc.uint8Array({ maxLength: 8 }), (id, data) => {
        const record = createRecord();
        const frame = createCanFrame();
        packRecord(id, data, data.length, record);
        expect(unpackRecord(record, frame, createStats())).toBe(true);
        expect([frame.id, frame.length]).toEqual([id, data.length]);
        expect([...frame.data]).toEqual([...data, ...Array(8 - data.length).fill(0)]);
      }),
    );
  });

  it('is refused with a long id, as a remote request, or with an impossible length', () => {
    const stats = createStats();
    const frame = createCanFrame();
    for (const record of [recordOf(0x80000123, 8), recordOf(0x40000123, 8), recordOf(0x123, 9)]) {
      expect(unpackRecord(record, frame, stats)).toBe(false);
    }
    expect(stats.errors).toBe(3);
    expect(stats.received).toBe(0);
  });

  it('tells of bus-off, and of the recovery from it', () => {
    const stats = createStats();
    const frame = createCanFrame();
    const busOff = recordOf(0x20000040, 8);
    expect(unpackRecord(busOff, frame, stats)).toBe(false);
    expect(stats.busOff).toBe(true);
    unpackRecord(recordOf(0x20000100, 8), frame, stats);
    expect(stats.busOff).toBe(false);
    unpackRecord(busOff, frame, stats);
    unpackRecord(recordOf(0x20000004, 8, 0, 0, 0, 0, 0x40), frame, stats);
    expect(stats.busOff).toBe(false);
    unpackRecord(busOff, frame, stats);
    unpackRecord(recordOf(0x20000008, 8), frame, stats);
    expect(stats.busOff).toBe(true);
    unpackRecord(recordOf(0x001, 1), frame, stats);
    expect(stats.busOff).toBe(false);
    expect(stats.errors).toBe(6);
  });
});
