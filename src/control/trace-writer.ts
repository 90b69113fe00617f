import { MappedFile } from '../platform/mapped-file.ts';
import { encodeTraceHeader, recordBytesOf, type TraceDescription } from './trace-format.ts';

/**
 * Records ticks into a trace file. The file has its full size from the start and is mapped, so recording one tick
 * is a copy in memory: no system call, no allocation, and nothing lost when the process is killed.
 */
export class TraceWriter implements Disposable {
  readonly #file: MappedFile;
  readonly #records: Float64Array;
  readonly #columns: number;
  readonly #capacity: number;
  #place = 0;
  #sequence = 0;

  private constructor(file: MappedFile, headerBytes: number, columns: number, capacity: number) {
    this.#file = file;
    this.#columns = columns;
    this.#capacity = capacity;
    this.#records = new Float64Array(file.buffer, headerBytes, capacity * (columns + 1));
  }

  /**
   * Makes the file for the newest `capacity` ticks.
   * @throws MyelinError FILE_UNWRITABLE when there is no room for it
   */
  static create(path: string, description: TraceDescription, capacity: number): TraceWriter {
    const header = encodeTraceHeader(description, capacity);
    const file = MappedFile.create(path, header.length + capacity * recordBytesOf(description));
    new Uint8Array(file.buffer).set(header);
    return new TraceWriter(file, header.length, description.columns.length, capacity);
  }

  /** Ticks recorded so far. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Records one tick: a number a column, in the order of the description. */
  append(row: Float64Array): void {
    const records = this.#records;
    const at = this.#place * (this.#columns + 1);
    records[at] = 0;
    for (let column = 0; column < this.#columns; column++) records[at + 1 + column] = row[column]!;
    this.#sequence += 1;
    records[at] = this.#sequence;
    this.#place = this.#place + 1 === this.#capacity ? 0 : this.#place + 1;
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
