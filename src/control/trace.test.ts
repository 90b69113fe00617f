import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeTraceHeader, encodeTraceHeader, type TraceDescription } from './trace-format.ts';
import { Trace } from './trace-reader.ts';
import { TraceWriter } from './trace-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

const description: TraceDescription = {
  columns: ['timeNs', 'state', 'q0'],
  model: 'X5',
  interfaceName: 'world:test',
  dof: 1,
  jointNames: ['joint1'],
  periodNs: 2e6,
  createdS: 1.75e9,
  limits: {
    positionMin: [-1],
    positionMax: [1],
    velocityMax: [5],
    accelerationMax: [20],
    jerkMax: [Number.NaN],
  },
};

/** Records `ticks` ticks with the numbers tick, 2 tick, 3 tick. */
const record = (path: string, ticks: number, capacity: number): string => {
  using writer = TraceWriter.create(path, description, capacity);
  const row = new Float64Array(3);
  for (let tick = 1; tick <= ticks; tick++) {
    row.set([tick, 2 * tick, 3 * tick]);
    writer.append(row);
  }
  return path;
};

describe('a trace', () => {
  it('gives back what was recorded, and how', () => {
    const trace = Trace.open(record(join(folder, 'a'), 5, 100));
    expect(trace.description).toEqual(description);
    expect(trace.length).toBe(5);
    expect(trace.firstSequence).toBe(1);
    expect([...trace.column('state')]).toEqual([2, 4, 6, 8, 10]);
    expect(trace.at(4, 'q0')).toBe(15);
    expect(() => trace.at(5, 'q0')).toThrow('no row 5');
    expect(() => trace.column('q9')).toThrow('no column "q9"');
  });

  it('keeps the newest ticks, in order, however many there were', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(100), (capacity, ticks) => {
        const trace = Trace.open(record(join(folder, 'ring'), ticks, capacity));
        const kept = Math.min(capacity, ticks);
        expect([...trace.column('timeNs')]).toEqual(
          Array.from({ length: kept }, (_, i) => ticks - kept + 1 + i),
        );
        expect(trace.firstSequence).toBe(ticks - kept + 1);
      }),
      { numRuns: 40 },
    );
  });

  it('can be read while it is being written', () => {
    using writer = TraceWriter.create(join(folder, 'live'), description, 10);
    writer.append(Float64Array.of(1, 2, 3));
    expect(Trace.open(join(folder, 'live')).length).toBe(1);
    writer.append(Float64Array.of(4, 5, 6));
    expect([...Trace.open(join(folder, 'live')).column('timeNs')]).toEqual([1, 4]);
  });

  it('leaves out the record that a crash tore', () => {
    const path = record(join(folder, 'torn'), 8, 5);
    const bytes = readFileSync(path);
    const { headerBytes, recordBytes } = decodeTraceHeader(bytes, path);
    // The record after the newest (tick 8, place 2) was about to be overwritten by tick 9.
    bytes.writeDoubleLE(0, headerBytes + 3 * recordBytes);
    bytes.writeDoubleLE(1e9, headerBytes + 3 * recordBytes + 8);
    expect([...Trace.decode(bytes, path).column('timeNs')]).toEqual([5, 6, 7, 8]);
  });

  it('gives what is there when its end was cut off', () => {
    const path = record(join(folder, 'cut'), 6, 10);
    const bytes = readFileSync(path);
    const { headerBytes, recordBytes } = decodeTraceHeader(bytes, path);
    for (let length = headerBytes; length <= bytes.length; length++) {
      const kept = Math.min(6, Math.floor((length - headerBytes) / recordBytes));
      expect(Trace.decode(bytes.subarray(0, length), path).length).toBe(kept);
    }
  });

  it('can be narrowed to its last seconds', () => {
    const trace = Trace.open(record(join(folder, 'last'), 50, 100)).last(0.02);
    expect(trace.length).toBe(10);
    expect(trace.firstSequence).toBe(41);
    expect(trace.at(0, 'timeNs')).toBe(41);
  });

  it('becomes a spreadsheet', () => {
    const trace = Trace.open(record(join(folder, 'csv'), 2, 100));
    expect([...trace.csv()].join('')).toBe('timeNs,state,q0\n1,2,3\n2,4,6\n');
  });

  it.each([
    ['', 'it does not begin with MYTRACE1'],
    ['MYTRACE', 'it does not begin with MYTRACE1'],
    ['MYTRACE2'.padEnd(5000), 'it does not begin with MYTRACE1'],
    ['MYTRACE1'.padEnd(5000, '\xff'), 'its header is cut off'],
  ])('is not any file (%j)', (text, reason) => {
    const path = join(folder, 'other');
    writeFileSync(path, Buffer.from(text, 'latin1'));
    expect(() => Trace.open(path)).toThrow(reason);
  });

  it('is refused with a clear error whatever bytes of its header are damaged', () => {
    const header = encodeTraceHeader(description, 10);
    fc.assert(
      fc.property(fc.nat(23), fc.nat(255), (at, byte) => {
        const damaged = header.slice();
        damaged[at] = byte;
        try {
          expect(Trace.decode(damaged, 'x').length).toBe(0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'TRACE_INVALID' });
        }
      }),
    );
  });

  it('names the file that is missing', () => {
    expect(() => Trace.open('/no/such.trace')).toThrow('/no/such.trace does not exist');
  });

  it('is refused at the start when the disk has no room for it', () => {
    expect(() => TraceWriter.create(join(folder, 'huge'), description, 2 ** 46)).toThrow(/cannot be written/);
  });
});
