import { f64, type Layout, u32, utf8 } from './fields.ts';

/** A camera ring, one segment a camera (`myelin_cam_<name>`): the newest frame wins, readers never block the writer. */
export const CAMERA_LAYOUT_VERSION = 1;
export const CAMERA_MAGIC = 0x4d43594d; // "MYCM"
export const CAMERA_SLOTS = 4;
export const CAMERA_SEGMENT_PREFIX = 'myelin_cam_';
export const CAMERA_SLOTS_OFFSET = 0x1000;
export const CAMERA_SLOT_HEADER_BYTES = 0x40;

export const CAMERA_LAYOUT = {
  version: u32(0x00, 'camera', 'Layout version'),
  magic: u32(0x04, 'camera', '"MYCM" in ASCII'),
  segmentBytes: u32(0x08, 'camera', 'Size of the whole segment'),
  writerPid: u32(0x0c, 'camera', 'Process id of the writer'),
  width: u32(0x10, 'camera', 'Pixels'),
  height: u32(0x14, 'camera', 'Pixels'),
  slotBytes: u32(0x18, 'camera', 'Distance from one slot to the next'),
  frameSequence: u32(
    0x1c,
    'camera',
    'Sequence number of the newest whole frame; its slot is this modulo 4; 0 = none yet',
  ),
  frequencyHz: f64(0x20, 'camera', 'Nominal rate'),
  createdNs: f64(0x28, 'camera', 'Monotonic time at which the segment was made, ns'),
  name: utf8(0x40, 'camera', 'Camera name', 64),
} as const satisfies Layout;

/** One slot: this header, then width * height * 3 bytes of RGB. */
export const CAMERA_SLOT_LAYOUT = {
  slotSequence: u32(0x00, 'camera', 'Sequence number of the frame in this slot; 0 while it is being written'),
  capturedNs: f64(0x08, 'camera', 'Monotonic time of capture, ns'),
  capturedUnixS: f64(0x10, 'camera', 'Unix time of capture, s'),
} as const satisfies Layout;
