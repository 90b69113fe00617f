import { MyelinError } from '../core/errors.ts';
import { type OpenOptions, SharedMemory } from '../platform/shared-memory.ts';
import { ARM_LAYOUT_VERSION, ARM_MAGIC, ARM_SEGMENT_BYTES, STATUS_LAYOUT } from './arm-layout.ts';
import { CAMERA_LAYOUT, CAMERA_LAYOUT_VERSION, CAMERA_MAGIC } from './camera-layout.ts';
import { WORLD_LAYOUT, WORLD_LAYOUT_VERSION, WORLD_MAGIC, WORLD_SEGMENT_BYTES } from './world-layout.ts';

/** What tells a kind of segment from a stranger's file. The version stands at offset 0 in every kind. */
export interface SegmentKind {
  /** For people: `an arm segment`. */
  readonly what: string;
  readonly version: number;
  readonly magic: number;
  readonly magicOffset: number;
  readonly pidOffset: number;
  readonly minimumBytes: number;
}

export const ARM_SEGMENT: SegmentKind = {
  what: 'an arm segment',
  version: ARM_LAYOUT_VERSION,
  magic: ARM_MAGIC,
  magicOffset: STATUS_LAYOUT.magic.offset,
  pidOffset: STATUS_LAYOUT.controlPid.offset,
  minimumBytes: ARM_SEGMENT_BYTES,
};

export const CAMERA_SEGMENT: SegmentKind = {
  what: 'a camera ring',
  version: CAMERA_LAYOUT_VERSION,
  magic: CAMERA_MAGIC,
  magicOffset: CAMERA_LAYOUT.magic.offset,
  pidOffset: CAMERA_LAYOUT.writerPid.offset,
  minimumBytes: 0x1000,
};

export const WORLD_SEGMENT: SegmentKind = {
  what: 'a world segment',
  version: WORLD_LAYOUT_VERSION,
  magic: WORLD_MAGIC,
  magicOffset: WORLD_LAYOUT.magic.offset,
  pidOffset: WORLD_LAYOUT.writerPid.offset,
  minimumBytes: WORLD_SEGMENT_BYTES,
};

const KINDS = [ARM_SEGMENT, CAMERA_SEGMENT, WORLD_SEGMENT];
const ATTEMPTS = 10;

const word = (memory: SharedMemory, offset: number): number =>
  Atomics.load(new Uint32Array(memory.buffer, offset, 1), 0);

const isKind = (memory: SharedMemory, kind: SegmentKind): boolean =>
  memory.bytes >= kind.magicOffset + 4 && word(memory, kind.magicOffset) === kind.magic;

/**
 * Makes a segment that belongs to this process until it closes it or ends. Nobody else sees it before {@link appear}.
 * @throws MyelinError SEGMENT_NO_SPACE, SEGMENT_FORBIDDEN
 */
export function createHiddenSegment(kind: SegmentKind, name: string, bytes: number): SharedMemory {
  const memory = SharedMemory.create(name, bytes, { hidden: true });
  new Uint32Array(memory.buffer, 0, 1)[0] = kind.version;
  new Uint32Array(memory.buffer, kind.magicOffset, 1)[0] = kind.magic;
  new Uint32Array(memory.buffer, kind.pidOffset, 1)[0] = process.pid;
  return memory;
}

/**
 * Shows a hidden segment to everyone. One of the same kind and name whose owner is gone is replaced: those who still
 * have that one open keep it and see `current` turn false.
 * @throws MyelinError SEGMENT_IN_USE when its owner lives, SEGMENT_FOREIGN when the file is not ours,
 *   SEGMENT_FORBIDDEN
 */
export function appear(kind: SegmentKind, memory: SharedMemory): void {
  for (let attempt = 0; ; attempt++) {
    try {
      memory.appear();
      return;
    } catch (error) {
      const exists = error instanceof MyelinError && error.code === 'SEGMENT_EXISTS';
      if (!exists || attempt === ATTEMPTS) throw error;
      removeStale(kind, memory.name);
    }
  }
}

/**
 * Makes a segment, lets `initialise` fill it, and shows it.
 * @throws MyelinError as {@link createHiddenSegment} and {@link appear}
 */
export function createSegment(
  kind: SegmentKind,
  name: string,
  bytes: number,
  initialise: (buffer: ArrayBuffer) => void,
): SharedMemory {
  const memory = createHiddenSegment(kind, name, bytes);
  try {
    initialise(memory.buffer);
    appear(kind, memory);
    return memory;
  } catch (error) {
    memory.close();
    throw error;
  }
}

/** Removes a segment whose owner is gone. Two who try this at once cannot both succeed: the claim decides. */
function removeStale(kind: SegmentKind, name: string): void {
  let stale: SharedMemory;
  try {
    stale = SharedMemory.open(name);
  } catch (error) {
    if (error instanceof MyelinError && error.code === 'SEGMENT_MISSING') {
      // Gone meanwhile, or an empty file that no segment of ours ever is.
      if (!SharedMemory.list().includes(name)) return;
      throw new MyelinError('SEGMENT_FOREIGN', { name, expected: kind.what });
    }
    throw error;
  }
  try {
    if (!isKind(stale, kind)) throw new MyelinError('SEGMENT_FOREIGN', { name, expected: kind.what });
    if (!stale.claim()) throw new MyelinError('SEGMENT_IN_USE', { name, pid: word(stale, kind.pidOffset) });
    stale.unlink();
  } finally {
    stale.close();
  }
}

/**
 * Opens a segment somebody made.
 * @throws MyelinError SEGMENT_MISSING, SEGMENT_FOREIGN, SEGMENT_VERSION, SEGMENT_FORBIDDEN
 */
export function openSegment(kind: SegmentKind, name: string, options: OpenOptions = {}): SharedMemory {
  const memory = SharedMemory.open(name, options);
  try {
    if (!isKind(memory, kind)) throw new MyelinError('SEGMENT_FOREIGN', { name, expected: kind.what });
    const found = word(memory, 0);
    if (found !== kind.version) {
      throw new MyelinError('SEGMENT_VERSION', { name, found, expected: kind.version });
    }
    if (memory.bytes < kind.minimumBytes) {
      throw new MyelinError('SEGMENT_FOREIGN', { name, expected: `${kind.what} of full size` });
    }
    return memory;
  } catch (error) {
    memory.close();
    throw error;
  }
}

/** What can be said of a segment without knowing its kind or version. */
export interface SegmentSummary {
  readonly name: string;
  readonly kind: SegmentKind;
  readonly version: number;
  readonly bytes: number;
  readonly pid: number;
  /** Whether its owner lives. A segment without one is stale. */
  readonly alive: boolean;
}

/** Describes the segment called `name`; undefined when there is none or it is not ours. */
export function inspectSegment(name: string): SegmentSummary | undefined {
  let memory: SharedMemory;
  try {
    memory = SharedMemory.open(name, { readOnly: true });
  } catch {
    return undefined;
  }
  try {
    const kind = KINDS.find((candidate) => isKind(memory, candidate));
    if (kind === undefined) return undefined;
    return {
      name,
      kind,
      version: word(memory, 0),
      bytes: memory.bytes,
      pid: word(memory, kind.pidOffset),
      alive: memory.claimed(),
    };
  } finally {
    memory.close();
  }
}

/** All of Myelin's segments on this machine that this user may read. */
export const listSegments = (): SegmentSummary[] =>
  SharedMemory.list().flatMap((name) => inspectSegment(name) ?? []);
