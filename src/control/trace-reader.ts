import { readFileSync } from 'node:fs';
import { MyelinError } from '../core/errors.ts';
import { decodeTraceHeader, type TraceDescription } from './trace-format.ts';

/** A trace in memory: the newest unbroken run of ticks, oldest first. */
export class Trace {
  readonly description: TraceDescription;
  /** Number of ticks. */
  readonly length: number;
  /** Sequence number of the first tick here; what was before it has been overwritten. */
  readonly firstSequence: number;
  readonly #rows: readonly Float64Array[];
  readonly #index: ReadonlyMap<string, number>;

  constructor(description: TraceDescription, firstSequence: number, rows: readonly Float64Array[]) {
    this.description = description;
    this.firstSequence = firstSequence;
    this.length = rows.length;
    this.#rows = rows;
    this.#index = new Map(description.columns.map((name, column) => [name, column]));
  }

  /** Reads a file, also one that is still being written. @throws MyelinError FILE_NOT_FOUND, TRACE_INVALID */
  static open(path: string): Trace {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') throw new MyelinError('FILE_NOT_FOUND', { file: path }, { cause });
      throw new MyelinError('TRACE_INVALID', { file: path, detail: code ?? 'it cannot be read' }, { cause });
    }
    return Trace.decode(bytes, path);
  }

  /** Reads a trace from bytes. A torn record ends it; a file that is shorter than it should be gives what it has. */
  static decode(bytes: Uint8Array, file: string): Trace {
    const { headerBytes, recordBytes, capacity, description } = decodeTraceHeader(bytes, file);
    const places = Math.min(capacity, Math.floor((bytes.length - headerBytes) / recordBytes));
    const width = recordBytes / 8;
    const numbers = new Float64Array(places * width);
    new Uint8Array(numbers.buffer).set(bytes.subarray(headerBytes, headerBytes + places * recordBytes));
    const sequenceAt = (place: number): number => numbers[place * width] ?? 0;

    let newest = 0;
    for (let place = 0; place < places; place++) newest = Math.max(newest, sequenceAt(place));
    const rows: Float64Array[] = [];
    let first = newest + 1;
    while (first > 1) {
      const place = (first - 2) % capacity;
      if (place >= places || sequenceAt(place) !== first - 1) break;
      rows.push(numbers.subarray(place * width + 1, (place + 1) * width));
      first -= 1;
    }
    return new Trace(description, first, rows.reverse());
  }

  has(column: string): boolean {
    return this.#index.has(column);
  }

  /** Number in a row. @throws RangeError for a column or row that is not there */
  at(row: number, column: string): number {
    const value = this.#rows[row]?.[this.#columnIndex(column)];
    if (value === undefined) throw new RangeError(`no row ${row} in a trace of ${this.length}`);
    return value;
  }

  /** One column as numbers over time. */
  column(name: string): Float64Array {
    const index = this.#columnIndex(name);
    return Float64Array.from(this.#rows, (row) => row[index] ?? Number.NaN);
  }

  /** A row in the order of the columns; not a copy. */
  row(index: number): Float64Array {
    const row = this.#rows[index];
    if (row === undefined) throw new RangeError(`no row ${index} in a trace of ${this.length}`);
    return row;
  }

  /** The last `seconds` of it. */
  last(seconds: number): Trace {
    const ticks = Math.ceil((seconds * 1e9) / this.description.periodNs);
    const rows = this.#rows.slice(Math.max(0, this.length - ticks));
    return new Trace(this.description, this.firstSequence + this.length - rows.length, rows);
  }

  /** Comma-separated values with a heading, a line a tick. */
  *csv(): Generator<string> {
    yield `${this.description.columns.join(',')}\n`;
    for (const row of this.#rows) yield `${row.join(',')}\n`;
  }

  #columnIndex(name: string): number {
    const index = this.#index.get(name);
    if (index === undefined) throw new RangeError(`a trace has no column "${name}"`);
    return index;
  }
}
