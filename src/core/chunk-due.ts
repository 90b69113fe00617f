/**
 * Whether the next chunk must be asked for, as LeRobot's client decides it: when what is left of the plan is no more
 * than a share of a chunk.
 * @param left actions that are not executed yet
 * @param rows actions of a chunk
 * @param threshold 0 to 1
 */
export const chunkDue = (left: number, rows: number, threshold: number): boolean => left <= threshold * rows;
