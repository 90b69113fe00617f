import { f64, type Layout, u32, utf8 } from './fields.ts';

/** The simulated world's own state (`myelin_world_<name>`), for its cameras, the page and policies that may see object poses. */
export const WORLD_LAYOUT_VERSION = 1;
export const WORLD_MAGIC = 0x4457594d; // "MYWD"
export const WORLD_SEGMENT_PREFIX = 'myelin_world_';
export const WORLD_MAX_OBJECTS = 16;
export const WORLD_SEGMENT_BYTES = 0x4000;

export const WORLD_LAYOUT = {
  version: u32(0x00, 'world', 'Layout version'),
  magic: u32(0x04, 'world', '"MYWD" in ASCII'),
  segmentBytes: u32(0x08, 'world', 'Size of the whole segment'),
  writerPid: u32(0x0c, 'world', 'Process id of the world'),
  createdNs: f64(0x10, 'world', 'Monotonic time at which the segment was made, ns'),
  arm: utf8(0x20, 'world', 'Arm model in the world', 32),
  stateSequence: u32(0x40, 'world', 'Sequence lock of everything below: odd while it is being written'),
  objectCount: u32(0x44, 'world', 'Objects in the scene'),
  seed: u32(0x48, 'world', 'Seed of the scene'),
  resets: u32(0x4c, 'world', 'How often the scene was reset'),
  simulatedS: f64(0x50, 'world', 'Simulated time, s'),
  timeNs: f64(0x58, 'world', 'Monotonic time of this state, ns'),
  stepMs: f64(0x60, 'world', 'Duration of the last physics step, ms'),
  sorted: u32(0x68, 'world', 'Objects that lie in the bin of their colour'),
  qposLength: u32(0x6c, 'world', 'Numbers in use in qpos'),
  qpos: f64(0x80, 'world', 'MuJoCo generalised positions', 256),
  objectPoses: f64(
    0x880,
    'world',
    'x y z qw qx qy qz of each object in the arm base frame, m',
    (WORLD_MAX_OBJECTS * 7) as 112,
  ),
  objectNames: utf8(0xc00, 'world', 'Names, separated by commas; a name starts with its colour', 512),
} as const satisfies Layout;
