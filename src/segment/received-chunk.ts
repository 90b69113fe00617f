import { MAX_CHUNK_ROWS, MAX_DOF } from '../core/joints.ts';

/** A chunk as the control process takes it over; made once, filled by a reader's `poll`. */
export interface ReceivedChunk {
  /** Room for the largest chunk; `rows * dof` numbers are in use, row by row. */
  readonly actions: Float64Array;
  /** 0 when what was published is malformed: such a chunk is to be refused. */
  rows: number;
  dof: number;
  /** Monotonic time at which row 0 is due, ns. */
  startNs: number;
  stepPeriodS: number;
  /** Monotonic time of the observation behind it, ns. */
  observedNs: number;
  /** Policy step of row 0. */
  timestep: number;
  /** Sequence number; 0 for a chunk that came through the first page. */
  sequence: number;
  /** Its writer, as the lease names it; 0 for a chunk that came through the first page. */
  source: number;
}

export const createReceivedChunk = (): ReceivedChunk => ({
  actions: new Float64Array(MAX_CHUNK_ROWS * MAX_DOF),
  rows: 0,
  dof: 0,
  startNs: 0,
  stepPeriodS: 0,
  observedNs: 0,
  timestep: 0,
  sequence: 0,
  source: 0,
});
