import { MyelinError } from '../core/errors.ts';
import type { CameraFrame } from '../core/observation.ts';
import { monotonicNs } from '../platform/clock.ts';
import type { OpenOptions, SharedMemory } from '../platform/shared-memory.ts';
import {
  CAMERA_LAYOUT,
  CAMERA_SEGMENT_PREFIX,
  CAMERA_SLOT_HEADER_BYTES,
  CAMERA_SLOT_LAYOUT,
  CAMERA_SLOTS,
  CAMERA_SLOTS_OFFSET,
} from './camera-layout.ts';
import { fence } from './fence.ts';
import { type Accessors, bind } from './fields.ts';
import { CAMERA_SEGMENT, createSegment, listSegments, openSegment } from './owned-segment.ts';

const MAX_SIDE = 4096;
const NEWEST = CAMERA_LAYOUT.frameSequence.offset / 4;
const REOPEN_CHECK_NS = 250e6;

export interface CameraRingOptions {
  readonly width: number;
  readonly height: number;
  /** Nominal rate, for readers. */
  readonly frequencyHz: number;
}

interface Slot {
  readonly fields: Accessors<typeof CAMERA_SLOT_LAYOUT>;
  readonly sequence: Uint32Array;
  readonly pixels: Uint8Array;
}

const slotSize = (width: number, height: number): number =>
  64 * Math.ceil((CAMERA_SLOT_HEADER_BYTES + width * height * 3) / 64);

const bindSlots = (memory: SharedMemory, width: number, height: number, slotBytes: number): Slot[] =>
  Array.from({ length: CAMERA_SLOTS }, (_, index) => {
    const base = CAMERA_SLOTS_OFFSET + index * slotBytes;
    return {
      fields: bind(CAMERA_SLOT_LAYOUT, memory.buffer, base),
      sequence: new Uint32Array(memory.buffer, base, 1),
      pixels: new Uint8Array(memory.buffer, base + CAMERA_SLOT_HEADER_BYTES, width * height * 3),
    };
  });

/** Name of the segment that holds a camera's pictures. */
export const cameraSegmentName = (camera: string): string => `${CAMERA_SEGMENT_PREFIX}${camera}`;

/** Publishes a camera's pictures. Draw into {@link frame}, then {@link publish}; readers never hold this up. */
export class CameraWriter implements Disposable {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly #memory: SharedMemory;
  readonly #words: Uint32Array;
  readonly #slots: readonly Slot[];
  #sequence = 1;

  private constructor(name: string, memory: SharedMemory, { width, height }: CameraRingOptions) {
    this.name = name;
    this.width = width;
    this.height = height;
    this.#memory = memory;
    this.#words = new Uint32Array(memory.buffer, 0, 64);
    this.#slots = bindSlots(memory, width, height, slotSize(width, height));
  }

  /**
   * Makes the ring of camera `name`; one that a dead process left is replaced.
   * @throws MyelinError SEGMENT_IN_USE, SEGMENT_NO_SPACE, INVALID_ARGUMENT
   */
  static create(name: string, options: CameraRingOptions): CameraWriter {
    const { width, height, frequencyHz } = options;
    if (![width, height].every((side) => Number.isInteger(side) && side >= 1 && side <= MAX_SIDE)) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: 'The picture size',
        value: `${width}x${height}`,
        allowed: `at least 1x1 and at most ${MAX_SIDE}x${MAX_SIDE}`,
      });
    }
    const slotBytes = slotSize(width, height);
    const bytes = CAMERA_SLOTS_OFFSET + CAMERA_SLOTS * slotBytes;
    const memory = createSegment(CAMERA_SEGMENT, cameraSegmentName(name), bytes, (buffer) => {
      const fields = bind(CAMERA_LAYOUT, buffer);
      fields.segmentBytes = bytes;
      fields.width = width;
      fields.height = height;
      fields.slotBytes = slotBytes;
      fields.frequencyHz = frequencyHz;
      fields.createdNs = monotonicNs();
      fields.name = name;
    });
    return new CameraWriter(name, memory, options);
  }

  /** Where the next picture goes: RGB, rows from the top. Nobody reads it before it is published. */
  get frame(): Uint8Array {
    return this.#slots[this.#sequence % CAMERA_SLOTS]!.pixels;
  }

  /** Publishes what was drawn, with the moment it was captured. Allocates nothing. */
  publish(capturedNs: number, unixS: number): void {
    const slot = this.#slots[this.#sequence % CAMERA_SLOTS]!;
    slot.fields.capturedNs = capturedNs;
    slot.fields.capturedUnixS = unixS;
    Atomics.store(slot.sequence, 0, this.#sequence);
    Atomics.store(this.#words, NEWEST, this.#sequence);
    this.#sequence = (this.#sequence + 1) >>> 0 || CAMERA_SLOTS;
    // The oldest picture's place is open for drawing from now on, so a reader still at it must start over.
    Atomics.store(this.#slots[this.#sequence % CAMERA_SLOTS]!.sequence, 0, 0);
    fence();
  }

  /** Ends the camera: the ring disappears. Can be called twice. */
  close(): void {
    this.#memory.unlink();
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Where the ring lies, when not in /dev/shm. */
export type RingOptions = Pick<OpenOptions, 'folder'>;

/** Reads the newest picture of a camera. When the camera process is started anew, it follows by itself. */
export class CameraReader implements Disposable {
  readonly name: string;
  readonly #options: RingOptions;
  #memory: SharedMemory;
  #words!: Uint32Array;
  #slots: readonly Slot[] = [];
  #width = 0;
  #height = 0;
  #frequencyHz = 0;
  #checkedNs: number;

  private constructor(name: string, memory: SharedMemory, options: RingOptions) {
    this.name = name;
    this.#options = options;
    this.#memory = memory;
    this.#checkedNs = monotonicNs();
    this.#bind(memory);
  }

  /** @throws MyelinError SEGMENT_MISSING, SEGMENT_VERSION, SEGMENT_FOREIGN */
  static open(name: string, options: RingOptions = {}): CameraReader {
    return new CameraReader(name, openRing(name, options), options);
  }

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  get frequencyHz(): number {
    return this.#frequencyHz;
  }

  /** Sequence number of the newest picture, 0 when there is none: tells whether {@link read} would give a new one. */
  get sequence(): number {
    return Atomics.load(this.#words, NEWEST);
  }

  /** Whether the camera process lives. */
  get writerAlive(): boolean {
    return this.#memory.claimed();
  }

  /** The newest picture, in memory of its own, never half of one and half of another. Undefined before the first. */
  read(): CameraFrame | undefined {
    this.#follow();
    const { name, width, height } = this;
    for (let attempt = 0; attempt < 2 * CAMERA_SLOTS; attempt++) {
      const sequence = this.sequence;
      if (sequence === 0) return undefined;
      const slot = this.#slots[sequence % CAMERA_SLOTS]!;
      if (Atomics.load(slot.sequence, 0) !== sequence) continue;
      const rgb = new Uint8Array(slot.pixels);
      const { capturedNs } = slot.fields;
      fence();
      if (Atomics.load(slot.sequence, 0) === sequence) {
        return { name, width, height, rgb, capturedNs, sequence };
      }
    }
    return undefined;
  }

  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Now and then looks whether a newer ring has taken this one's place. */
  #follow(): void {
    const nowNs = monotonicNs();
    if (nowNs - this.#checkedNs < REOPEN_CHECK_NS) return;
    this.#checkedNs = nowNs;
    if (this.#memory.current) return;
    try {
      const newer = openRing(this.name, this.#options);
      this.#memory.close();
      this.#memory = newer;
      this.#bind(newer);
    } catch (error) {
      // Not back yet: the last picture of the old ring is still the newest there is, and its age shows.
      if (!(error instanceof MyelinError && error.retryable)) throw error;
    }
  }

  #bind(memory: SharedMemory): void {
    const { width, height, slotBytes, frequencyHz } = bind(CAMERA_LAYOUT, memory.buffer);
    this.#width = width;
    this.#height = height;
    this.#frequencyHz = frequencyHz;
    this.#words = new Uint32Array(memory.buffer, 0, 64);
    this.#slots = bindSlots(memory, width, height, slotBytes);
  }
}

/** Opens a ring and checks that what its header says fits into it. */
function openRing(camera: string, options: RingOptions): SharedMemory {
  const name = cameraSegmentName(camera);
  const memory = openSegment(CAMERA_SEGMENT, name, { ...options, readOnly: true });
  const { width, height, slotBytes } = bind(CAMERA_LAYOUT, memory.buffer);
  const whole =
    width >= 1 &&
    height >= 1 &&
    slotBytes % 64 === 0 &&
    slotBytes >= CAMERA_SLOT_HEADER_BYTES + width * height * 3 &&
    memory.bytes >= CAMERA_SLOTS_OFFSET + CAMERA_SLOTS * slotBytes;
  if (whole) return memory;
  memory.close();
  throw new MyelinError('SEGMENT_FOREIGN', { name, expected: 'a whole camera ring' });
}

export interface CameraSummary {
  readonly name: string;
  /** Whether its camera process lives. */
  readonly alive: boolean;
}

/** The cameras on this machine that have a ring, by name. */
export const listCameras = (): CameraSummary[] =>
  listSegments()
    .filter((segment) => segment.kind === CAMERA_SEGMENT && segment.name.startsWith(CAMERA_SEGMENT_PREFIX))
    .map(({ name, alive }) => ({ name: name.slice(CAMERA_SEGMENT_PREFIX.length), alive }));
