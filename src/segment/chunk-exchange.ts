import type { ActionChunk } from '../core/chunk.ts';
import { MyelinError } from '../core/errors.ts';
import { MAX_CHUNK_ROWS, MAX_DOF, SEED_CHUNK_ROWS, SEED_DOF } from '../core/joints.ts';
import {
  CHUNK_SLOT_BYTES,
  CHUNK_SLOT_LAYOUT,
  CHUNK_SLOTS,
  CHUNK_SLOTS_OFFSET,
  COMMANDER_LAYOUT,
} from './arm-layout.ts';
import type { ArmSegment } from './arm-segment.ts';
import { commanderId } from './commander-id.ts';
import { fence } from './fence.ts';
import { type Accessors, bind } from './fields.ts';
import type { ReceivedChunk } from './received-chunk.ts';

export { LegacyChunkReader } from './legacy-chunk-reader.ts';
export { createReceivedChunk, type ReceivedChunk } from './received-chunk.ts';

const NEWEST = COMMANDER_LAYOUT.chunkSequence.offset / 4;
const OWNER = COMMANDER_LAYOUT.leaseOwner.offset / 4;
const HEADER_WORDS = CHUNK_SLOT_LAYOUT.checksum.offset / 4;
const ACTION_WORDS = CHUNK_SLOT_LAYOUT.actions.offset / 4;

/** One of the four places a chunk can stand in. */
interface Slot {
  readonly fields: Accessors<typeof CHUNK_SLOT_LAYOUT>;
  /** Word 0 is the sequence number. */
  readonly sequence: Uint32Array;
  /** The whole slot, signed so that sums and copies stay in machine integers. */
  readonly words: Int32Array;
}

const bindSlot = (buffer: ArrayBuffer, base: number): Slot => ({
  fields: bind(CHUNK_SLOT_LAYOUT, buffer, base),
  sequence: new Uint32Array(buffer, base, 1),
  words: new Int32Array(buffer, base, CHUNK_SLOT_BYTES / 4),
});

const bindSlots = (segment: ArmSegment): Slot[] =>
  Array.from({ length: CHUNK_SLOTS }, (_, index) =>
    bindSlot(segment.memory.buffer, CHUNK_SLOTS_OFFSET + index * CHUNK_SLOT_BYTES),
  );

/** The slot's checksum, as if it held sequence number `sequence`. */
function checksum(words: Int32Array, sequence: number, numbers: number): number {
  let sum = sequence | 0;
  for (let i = 1; i < HEADER_WORDS; i++) sum = (sum + words[i]!) | 0;
  const end = ACTION_WORDS + 2 * numbers;
  for (let i = ACTION_WORDS; i < end; i++) sum = (sum + words[i]!) | 0;
  return sum >>> 0;
}

/**
 * Publishes chunks, each as a whole: a reader gets all of a chunk or none of it. Hold the lease while you use
 * this; without anyone holding it there must be one writer only.
 */
export class ChunkWriter {
  readonly #segment: ArmSegment;
  readonly #slots: readonly Slot[];
  readonly #id: number;
  #sequence: number;

  constructor(segment: ArmSegment) {
    this.#segment = segment;
    this.#id = commanderId(segment);
    this.#slots = bindSlots(segment);
    this.#sequence = Atomics.load(segment.words, NEWEST);
  }

  /**
   * Publishes `chunk`, its row 0 due at monotonic time `startNs`, and mirrors its first rows into the first page.
   * Returns its sequence number. Allocates nothing.
   * @throws MyelinError INVALID_ARGUMENT for a chunk of the wrong size, LEASE_HELD when another process commands
   */
  publish(chunk: ActionChunk, startNs: number): number {
    const { rows, dof } = chunk;
    if (!fits(rows, dof) || chunk.actions.length < rows * dof) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: 'The chunk',
        value: `${rows} x ${dof} with ${chunk.actions.length} numbers`,
        allowed: `1 to ${MAX_CHUNK_ROWS} rows of 1 to ${MAX_DOF} numbers, all of them present`,
      });
    }
    const { words } = this.#segment;
    const owner = Atomics.load(words, OWNER);
    if (owner !== 0 && owner !== this.#id) {
      throw new MyelinError('LEASE_HELD', { holder: `process ${owner}` });
    }

    const sequence = Math.max((Math.max(this.#sequence, Atomics.load(words, NEWEST)) + 1) >>> 0, 1);
    const slot = this.#slots[sequence % CHUNK_SLOTS]!;
    Atomics.store(slot.sequence, 0, 0);
    fence();
    const { fields } = slot;
    fields.rows = rows;
    fields.dof = dof;
    fields.source = this.#id;
    fields.startNs = startNs;
    fields.stepPeriodS = chunk.stepPeriodS;
    fields.observedNs = chunk.observedNs;
    fields.timestep = chunk.timestep;
    const { actions } = fields;
    for (let i = 0; i < rows * dof; i++) actions[i] = chunk.actions[i]!;
    fields.checksum = checksum(slot.words, sequence, rows * dof);
    Atomics.store(slot.sequence, 0, sequence);
    Atomics.store(words, NEWEST, sequence);
    this.#sequence = sequence;
    this.#mirror(chunk);
    return sequence;
  }

  /** Copies what fits into the first page, for readers that know only that. */
  #mirror(chunk: ActionChunk): void {
    const { actions } = this.#segment.fields;
    const { dof } = chunk;
    const rows = Math.min(chunk.rows, SEED_CHUNK_ROWS);
    for (let row = 0; row < rows; row++) {
      for (let joint = 0; joint < SEED_DOF; joint++) {
        actions[row * SEED_DOF + joint] = joint < dof ? chunk.actions[row * dof + joint]! : 0;
      }
    }
    this.#segment.fields.actionCount = rows;
  }
}

const fits = (rows: number, dof: number): boolean =>
  Number.isInteger(rows) &&
  Number.isInteger(dof) &&
  rows >= 1 &&
  rows <= MAX_CHUNK_ROWS &&
  dof >= 1 &&
  dof <= MAX_DOF;

/** Takes over chunks in the control process. Allocates nothing. */
export class ChunkReader {
  readonly #segment: ArmSegment;
  readonly #slots: readonly Slot[];
  /** What is checked and handed on is this copy, which no writer can touch any more. */
  readonly #copy = bindSlot(new ArrayBuffer(CHUNK_SLOT_BYTES), 0);
  #seen: number;
  /** Chunks passed over because their writer did not hold the lease. */
  foreign = 0;

  constructor(segment: ArmSegment) {
    this.#segment = segment;
    this.#slots = bindSlots(segment);
    this.#seen = Atomics.load(segment.words, NEWEST);
  }

  /**
   * Copies the newest chunk into `out` if it has not been taken before; true then. Chunks in between are skipped.
   * A chunk still being written is taken at a later call; one whose writer does not hold the lease, never.
   */
  poll(out: ReceivedChunk): boolean {
    const { words } = this.#segment;
    const sequence = Atomics.load(words, NEWEST);
    if (sequence === this.#seen) return false;
    const slot = this.#slots[sequence % CHUNK_SLOTS]!;
    if (Atomics.load(slot.sequence, 0) !== sequence) return false;

    const { fields: copy, words: copied } = this.#copy;
    const { words: source } = slot;
    for (let i = 0; i <= HEADER_WORDS; i++) copied[i] = source[i]!;
    const wellFormed = fits(copy.rows, copy.dof);
    const numbers = wellFormed ? copy.rows * copy.dof : 0;
    for (let i = ACTION_WORDS; i < ACTION_WORDS + 2 * numbers; i++) copied[i] = source[i]!;
    fence();
    if (Atomics.load(slot.sequence, 0) !== sequence) return false;
    // The sum also covers what two writers do to each other when one lost the lease in the middle of a write.
    if (wellFormed && checksum(copied, sequence, numbers) !== copy.checksum) return false;
    this.#seen = sequence;

    const owner = Atomics.load(words, OWNER);
    if (owner !== 0 && owner !== copy.source) {
      this.foreign++;
      return false;
    }
    const { actions } = copy;
    for (let i = 0; i < numbers; i++) out.actions[i] = actions[i]!;
    out.rows = wellFormed ? copy.rows : 0;
    out.dof = copy.dof;
    out.startNs = copy.startNs;
    out.stepPeriodS = copy.stepPeriodS;
    out.observedNs = copy.observedNs;
    out.timestep = copy.timestep;
    out.source = copy.source;
    out.sequence = sequence;
    return true;
  }
}
