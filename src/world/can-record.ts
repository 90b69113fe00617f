/**
 * A CAN frame as a record on the world's socket: Linux `struct can_frame`, 16 bytes. Word 0 is the id with its flag
 * bits, byte 4 the length, bytes 8 to 15 the data. Little-endian, as every supported machine is.
 */
export const CAN_RECORD_BYTES = 16;

/** Flag bits of the id word: extended id, remote request, error report. */
const FLAGS = 0xe0000000;

export interface CanRecord {
  readonly bytes: Uint8Array;
  readonly data: Uint8Array;
  readonly words: Uint32Array;
}

export function createCanRecord(): CanRecord {
  const bytes = new Uint8Array(CAN_RECORD_BYTES);
  return { bytes, data: bytes.subarray(8), words: new Uint32Array(bytes.buffer) };
}

/** Fills in a record to send. */
export function writeCanRecord(record: CanRecord, id: number, data: Uint8Array, length: number): void {
  record.words[0] = id;
  record.words[1] = length;
  record.data.set(data);
}

/** Whether a received record of `bytes` bytes is a plain data frame with an 11-bit id. */
export const isDataFrame = (record: CanRecord, bytes: number): boolean =>
  bytes === CAN_RECORD_BYTES &&
  (record.words[0]! & FLAGS) === 0 &&
  record.words[0]! <= 0x7ff &&
  record.bytes[4]! <= 8;
