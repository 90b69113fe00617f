import { CAN_FRAME_BYTES, CanErrorClass, CanFlag } from '../platform/can-socket.ts';
import type { CanBusStats, CanFrame } from './can.ts';

/** The 16-byte record a CAN frame travels as, on the kernel's CAN sockets and on the simulated world's. */

const LENGTH = 4;
const DATA = 8;
const LONGEST = 8;
/** Where an error frame of the controller class says in what state the controller is, and "error active": well. */
const CONTROLLER_STATE = DATA + 1;
const ERROR_ACTIVE = 0x40;

export const createRecord = (): Uint8Array => new Uint8Array(CAN_FRAME_BYTES);

export const createStats = (): CanBusStats => ({
  sent: 0,
  received: 0,
  dropped: 0,
  errors: 0,
  busOff: false,
});

/** Writes a data frame with an 11-bit id into `record`. */
export function packRecord(id: number, data: Uint8Array, length: number, record: Uint8Array): void {
  record.fill(0);
  record[0] = id;
  record[1] = id >> 8;
  record[LENGTH] = length;
  for (let i = 0; i < length; i++) record[DATA + i] = data[i]!;
}

/**
 * Reads a record. True when it is a data frame with an 11-bit id, now in `frame`; otherwise it was an error
 * frame, which is counted and may change `stats.busOff`, or one that no motor sends.
 */
export function unpackRecord(record: Uint8Array, frame: CanFrame, stats: CanBusStats): boolean {
  const id = (record[0]! | (record[1]! << 8) | (record[2]! << 16) | (record[3]! << 24)) >>> 0;
  if ((id & CanFlag.ERROR) !== 0) {
    stats.errors += 1;
    const active = (id & CanErrorClass.CONTROLLER) !== 0 && (record[CONTROLLER_STATE]! & ERROR_ACTIVE) !== 0;
    if ((id & CanErrorClass.BUS_OFF) !== 0) stats.busOff = true;
    else if ((id & CanErrorClass.RESTARTED) !== 0 || active) stats.busOff = false;
    return false;
  }
  const length = record[LENGTH]!;
  if (id > 0x7ff || length > LONGEST) {
    stats.errors += 1;
    return false;
  }
  stats.received += 1;
  // Whoever hears others is on the bus.
  stats.busOff = false;
  frame.id = id;
  frame.length = length;
  for (let i = 0; i < LONGEST; i++) frame.data[i] = i < length ? record[DATA + i]! : 0;
  return true;
}
