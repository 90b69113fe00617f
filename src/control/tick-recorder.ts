import { STATUS_LAYOUT } from '../segment/arm-layout.ts';
import { LOOP_COLUMNS, type LoopStatistics } from './loop-statistics.ts';
import type { TraceWriter } from './trace-writer.ts';

/** Puts each tick into the trace: the controller's row, then the loop's own columns. */
export class TickRecorder {
  readonly #writer: TraceWriter;
  readonly #controllerRow: Float64Array;
  readonly #statistics: LoopStatistics;
  readonly #row: Float64Array;
  readonly #published: Uint32Array;

  /** `memory` is the segment, in which the number of records is shown. */
  constructor(
    writer: TraceWriter,
    controllerRow: Float64Array,
    statistics: LoopStatistics,
    memory: ArrayBufferLike,
  ) {
    this.#writer = writer;
    this.#controllerRow = controllerRow;
    this.#statistics = statistics;
    this.#row = new Float64Array(controllerRow.length + LOOP_COLUMNS.length);
    this.#published = new Uint32Array(memory, STATUS_LAYOUT.traceSequence.offset, 1);
  }

  record(): void {
    this.#row.set(this.#controllerRow);
    this.#statistics.lastTick(this.#row, this.#controllerRow.length);
    this.#writer.append(this.#row);
    this.#published[0] = this.#writer.sequence;
  }
}
