/**
 * How many bit times a classic CAN 2.0A data frame takes on the wire, stuff bits included.
 * Start of frame to the end of the checksum is stuffed: after five equal bits the sender adds one opposite bit.
 */

/** Checksum delimiter, acknowledge slot and delimiter, 7 bits end of frame, 3 bits between frames. */
const UNSTUFFED_TAIL_BITS = 1 + 2 + 7 + 3;
/** x^15 + x^14 + x^10 + x^8 + x^7 + x^4 + x^3 + 1, without its highest power. */
const CRC_POLYNOMIAL = 0x4599;

/** Fewest and most bit times of a frame with `length` data bytes: no stuff bit, and one for every four bits. */
export const frameBitRange = (length: number): { least: number; most: number } => {
  const stuffable = 34 + 8 * length;
  return {
    least: stuffable + UNSTUFFED_TAIL_BITS,
    most: stuffable + Math.floor((stuffable - 1) / 4) + UNSTUFFED_TAIL_BITS,
  };
};

/** Exact bit times of this frame: 11-bit id, `length` bytes (0 to 8) of `data`. */
export function frameBits(id: number, data: Uint8Array, length: number): number {
  let crc = 0;
  let stuffed = 0;
  let run = 0;
  let previous = 2;

  const put = (word: number, bits: number, intoChecksum: boolean): void => {
    for (let shift = bits - 1; shift >= 0; shift -= 1) {
      const bit = (word >>> shift) & 1;
      if (intoChecksum) {
        const feedback = bit ^ ((crc >>> 14) & 1);
        crc = (crc << 1) & 0x7fff;
        if (feedback === 1) crc ^= CRC_POLYNOMIAL;
      }
      run = bit === previous ? run + 1 : 1;
      previous = bit;
      if (run < 5) continue;
      // The stuff bit is itself the first of a new run.
      stuffed += 1;
      previous = 1 - bit;
      run = 1;
    }
  };

  put(0, 1, true); // start of frame
  put(id & 0x7ff, 11, true);
  put(0, 3, true); // data frame, standard format, reserved
  put(length, 4, true);
  for (let i = 0; i < length; i += 1) put(data[i] ?? 0, 8, true);
  put(crc, 15, false);
  return 34 + 8 * length + stuffed + UNSTUFFED_TAIL_BITS;
}
