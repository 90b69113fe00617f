/** Time a classic CAN frame with an 11-bit id takes on the wire, in bits. */

/** Start, id, control, CRC, delimiters, acknowledgement, end of frame (44) and the gap between frames (3). */
const OVERHEAD_BITS = 47;
/** Of the overhead, the bits from start to CRC, in which stuff bits are inserted. */
const STUFFED_OVERHEAD_BITS = 34;

/** Bits of a frame of `length` bytes when its content needs no stuff bits. */
export const shortestFrameBits = (length: number): number => OVERHEAD_BITS + 8 * length;

/** Bits of a frame of `length` bytes when every possible stuff bit is needed: one in four after the first five. */
export const longestFrameBits = (length: number): number =>
  shortestFrameBits(length) + Math.floor((STUFFED_OVERHEAD_BITS + 8 * length - 1) / 4);

/**
 * Share of the bus in use, 0 to 1 (above 1 is impossible), when `framesPerCycle` frames of eight bytes are
 * exchanged `frequencyHz` times a second, in the worst case of stuffing.
 */
export const busLoad = (framesPerCycle: number, frequencyHz: number, bitRate: number): number =>
  (framesPerCycle * longestFrameBits(8) * frequencyHz) / bitRate;
