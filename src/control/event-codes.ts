/**
 * What the controller reports while it runs. It only counts and stores; words are made of it by whoever reads
 * the ring, in another process.
 */

export const EventCode = {
  /** detail: new state; a: old state. */
  STATE: 1,
  /** detail: request bit; a: state it was refused in. */
  REQUEST_REFUSED: 2,
  /** detail: error bits raised now; a: all error bits. */
  ERROR_RAISED: 3,
  /** detail: error bits that ended now; a: all error bits left. */
  ERROR_CLEARED: 4,
  /** detail: a {@link ChunkRefusal}; a: its sequence number; b: process id of its writer. */
  CHUNK_REFUSED: 5,
  /** detail: process id of the new commander, 0 for a script that knows only the first page; a: the one before. */
  COMMANDER: 6,
  /** detail: a {@link FaultKind}; a: index of the joint; b: the value that was too much. */
  FAULT: 7,
  /** detail: a hold reason, 0 when the hold ended. */
  HOLD: 8,
  /** detail: limit bits hit now and not in the tenth of a second before. */
  LIMITS: 9,
  /** A reset was refused because no free way home was found. */
  RESET_BLOCKED: 10,
  /** detail: 1 coming to rest before damping, 2 damping at once because there is no feedback. */
  STOPPING: 11,
  /** The arm is damped and at rest, or the longest damping time is over. a: damping time, s. */
  FINISHED: 12,
  /** A motor is warm. a: index of the joint; b: degC. */
  WARM: 13,
  /** The guardian is gone: the arm comes to rest and is damped. */
  GUARDIAN_LOST: 14,
} as const;
export type EventCodeName = keyof typeof EventCode;

/** Why a chunk was refused. */
export const ChunkRefusal = {
  /** Rows or numbers a row that this arm cannot use. */
  SHAPE: 1,
  NOT_FINITE: 2,
  /** Step period outside 1 ms to 1 s, or not a number. */
  STEP_PERIOD: 3,
  /** Start time, observation time or timestep that cannot be. */
  TIME: 4,
  /** Its last row is over already. */
  EXPIRED: 5,
  /** Older than the one being executed, from the same commander. */
  OUT_OF_ORDER: 6,
} as const;
export type ChunkRefusalName = keyof typeof ChunkRefusal;

/** Why the arm was stopped. */
export const FaultKind = {
  NONE: 0,
  FEEDBACK_LOST: 1,
  MOTOR: 2,
  OVER_TEMPERATURE: 3,
  OVER_TORQUE: 4,
  TRACKING: 5,
  OUTSIDE: 6,
  BUS: 7,
  GUARDIAN: 8,
} as const;
export type FaultKindName = keyof typeof FaultKind;

/** Takes events inside the tick: must allocate nothing and wait for nobody. */
export interface EventSink {
  push(timeNs: number, code: number, detail?: number, a?: number, b?: number): void;
}
