/** Numbers on the wire: `bits` wide, spread evenly from `min` to `max`, both ends included. */

/** Value to wire: clamped, then truncated, as the motors' own documents do it. */
export const toWire = (value: number, min: number, max: number, bits: number): number => {
  const clamped = Math.min(max, Math.max(min, value));
  return Math.trunc(((clamped - min) / (max - min)) * (2 ** bits - 1));
};

/** Wire to value. */
export const fromWire = (word: number, min: number, max: number, bits: number): number =>
  min + (word / (2 ** bits - 1)) * (max - min);
