import { MAX_DOF } from '../core/joints.ts';
import { monotonicNs } from '../platform/clock.ts';
import { pidNamespace } from '../platform/process.ts';
import type { SharedMemory } from '../platform/shared-memory.ts';
import { ARM_LAYOUT, ARM_SEGMENT_BYTES, SEED_LAYOUT, STATUS_LAYOUT } from './arm-layout.ts';
import { type Accessors, bind } from './fields.ts';
import { ARM_SEGMENT, appear, createHiddenSegment, openSegment } from './owned-segment.ts';
import { SequenceLock } from './sequence-lock.ts';

export interface ArmSegmentOptions {
  /** Degrees of freedom, gripper included. */
  readonly dof: number;
  readonly model: string;
  readonly interfaceName: string;
}

const { actions: _rows, ...SEED_STATE } = SEED_LAYOUT;
const SNAPSHOT_LAYOUT = { ...SEED_STATE, ...STATUS_LAYOUT } as const;

// What a snapshot holds: page 0 up to the action rows, and the used part of page 1.
const SNAPSHOT_RANGES = [
  [0, SEED_LAYOUT.actions.offset / 8],
  [STATUS_LAYOUT.magic.offset / 8, (STATUS_LAYOUT.motorFault.offset + 4 * MAX_DOF) / 8],
] as const;
const snapshotViews = (buffer: ArrayBuffer): Float64Array[] =>
  SNAPSHOT_RANGES.map(([start, end]) => new Float64Array(buffer, start * 8, end - start));

/** A private copy of everything the control process says about one tick, all of it from the same tick. */
export type ArmSnapshot = Accessors<typeof SNAPSHOT_LAYOUT> & {
  /** The copy's memory, in pieces; for {@link ArmSegment.readState}. */
  readonly views: readonly Float64Array[];
};

/** Memory for {@link ArmSegment.readState}: make one and use it again and again. */
export function createArmSnapshot(): ArmSnapshot {
  const buffer = new ArrayBuffer(STATUS_LAYOUT.motorFault.offset + 4 * MAX_DOF);
  return Object.assign(bind(SNAPSHOT_LAYOUT, buffer), { views: snapshotViews(buffer) });
}

/**
 * The arm's shared memory: the control process makes it and says in it what the arm does; everyone else reads,
 * sets request bits, and (with the lease) publishes chunks. Reading, writing and requests allocate nothing.
 */
export class ArmSegment implements Disposable {
  /** Every field of the layout by name, read and written in place. */
  readonly fields: Accessors<typeof ARM_LAYOUT>;
  readonly memory: SharedMemory;
  /** The whole segment in 32-bit words, for `Atomics`: the word of a field is at `offset / 4`. */
  readonly words: Uint32Array;
  readonly #lock: SequenceLock;
  readonly #views: readonly Float64Array[];

  private constructor(memory: SharedMemory) {
    this.memory = memory;
    this.fields = bind(ARM_LAYOUT, memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.#lock = new SequenceLock(this.words, ARM_LAYOUT.stateSequence.offset / 4);
    this.#views = snapshotViews(memory.buffer);
  }

  /**
   * Makes the segment for this process; one that a dead process left is replaced.
   * @throws MyelinError SEGMENT_IN_USE, SEGMENT_FOREIGN, SEGMENT_NO_SPACE, SEGMENT_FORBIDDEN
   */
  static create(name: string, options: ArmSegmentOptions): ArmSegment {
    const segment = ArmSegment.createHidden(name, options);
    try {
      segment.appear();
      return segment;
    } catch (error) {
      segment.close();
      throw error;
    }
  }

  /**
   * Makes the segment, but nobody sees it before {@link appear}: a commander must not meet one without a pose in it.
   * @throws MyelinError SEGMENT_NO_SPACE, SEGMENT_FORBIDDEN
   */
  static createHidden(name: string, { dof, model, interfaceName }: ArmSegmentOptions): ArmSegment {
    const segment = new ArmSegment(createHiddenSegment(ARM_SEGMENT, name, ARM_SEGMENT_BYTES));
    const { fields } = segment;
    fields.segmentBytes = ARM_SEGMENT_BYTES;
    fields.dof = dof;
    fields.model = model;
    fields.interfaceName = interfaceName;
    fields.createdNs = monotonicNs();
    fields.pidNamespace = pidNamespace();
    return segment;
  }

  /**
   * Shows a hidden segment to everyone; one of its name that a dead process left is replaced.
   * @throws MyelinError SEGMENT_IN_USE, SEGMENT_FOREIGN, SEGMENT_FORBIDDEN
   */
  appear(): void {
    appear(ARM_SEGMENT, this.memory);
  }

  /**
   * Opens a segment that a control process made. With `readOnly` nothing can be written, requests included.
   * @throws MyelinError SEGMENT_MISSING, SEGMENT_FOREIGN, SEGMENT_VERSION, SEGMENT_FORBIDDEN
   */
  static open(name: string, options: { readonly readOnly?: boolean } = {}): ArmSegment {
    return new ArmSegment(openSegment(ARM_SEGMENT, name, options));
  }

  /** Whether its maker lives. When it does not, nothing here moves any more and {@link open} may find a newer one. */
  get ownerAlive(): boolean {
    return this.memory.claimed();
  }

  /** Whether the name still leads here; false after another control process took the name over. */
  get current(): boolean {
    return this.memory.current;
  }

  /** Asks for something: bits of `Request`. Needs no lease. Each has a word of its own, so none is lost. */
  request(bits: number): void {
    for (let i = 0; i < REQUEST_FLAGS; i++) {
      if ((bits & (1 << i)) !== 0) Atomics.store(this.words, FIRST_REQUEST_FLAG + i, 1);
    }
  }

  /** Takes all that was asked for since the last call, in the first page too, and clears it. For the control process. */
  takeRequests(): number {
    let bits = Atomics.exchange(this.words, REQUESTS, 0);
    for (let i = 0; i < REQUEST_FLAGS; i++) {
      if (Atomics.exchange(this.words, FIRST_REQUEST_FLAG + i, 0) !== 0) bits |= 1 << i;
    }
    return bits;
  }

  /** Begins publishing a tick's state: write `fields` between this and {@link endState}. */
  beginState(): void {
    this.#lock.begin();
  }

  endState(): void {
    this.#lock.end();
  }

  /**
   * Copies the state of one whole tick. False when none could be had because the control process was stopped or
   * killed in the middle of writing (`ownerAlive` tells which); `out` must not be used then. Takes well under 1 us.
   */
  readState(out: ArmSnapshot): boolean {
    return this.#lock.read(this.#views, out.views);
  }

  /** Removes the segment's name, if it is still this one's. */
  unlink(): void {
    this.memory.unlink();
  }

  close(): void {
    this.memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const REQUESTS = ARM_LAYOUT.requests.offset / 4;
const FIRST_REQUEST_FLAG = ARM_LAYOUT.requestFlags.offset / 4;
const REQUEST_FLAGS = ARM_LAYOUT.requestFlags.length;
