import { SEED_CHUNK_ROWS, SEED_DOF } from '../core/joints.ts';
import { SEED_LAYOUT } from './arm-layout.ts';
import type { ArmSegment } from './arm-segment.ts';
import { Lease } from './lease.ts';
import type { ReceivedChunk } from './received-chunk.ts';

const FIRST_WORD = SEED_LAYOUT.actionCount.offset / 4;
const WORDS = 2 + SEED_LAYOUT.actions.length * 2;

/**
 * Takes over chunks from scripts that know only the first page: they write rows, then the count, then the
 * heartbeat. Nothing there says when a chunk is whole, so it is taken at the first tick that finds a new heartbeat
 * and the very rows of the tick before. The same rows again are the same chunk, which goes on and does not start
 * over; to run them once more, write a count of 0 first. While somebody holds the lease the page is ignored.
 */
export class LegacyChunkReader {
  readonly #segment: ArmSegment;
  // Count and rows, compared as words: a NaN is then equal to itself.
  readonly #page: Uint32Array;
  readonly #candidate = new Uint32Array(WORDS);
  readonly #taken = new Uint32Array(WORDS);
  #seenHeartbeatS: number;
  #leased = false;

  constructor(segment: ArmSegment) {
    this.#segment = segment;
    this.#page = segment.words.subarray(FIRST_WORD, FIRST_WORD + WORDS);
    this.#seenHeartbeatS = segment.fields.inferenceTimestampS;
  }

  /** Call once a tick. Fills `out` and returns true when a new chunk has arrived; row 0 is due now. Allocates nothing. */
  poll(nowNs: number, out: ReceivedChunk): boolean {
    const { fields } = this.#segment;
    const heartbeatS = fields.inferenceTimestampS;
    const wasLeased = this.#leased;
    this.#leased = Lease.isHeld(this.#segment, nowNs);
    if (this.#leased || wasLeased) {
      // What a lease holder left in the page was mirrored from a chunk that was taken already.
      this.#seenHeartbeatS = heartbeatS;
      this.#taken.set(this.#page);
      return false;
    }
    if (Object.is(heartbeatS, this.#seenHeartbeatS)) return false;
    if (!equal(this.#candidate, this.#page)) {
      this.#candidate.set(this.#page);
      return false;
    }
    this.#seenHeartbeatS = heartbeatS;
    if (equal(this.#taken, this.#candidate)) return false;
    this.#taken.set(this.#candidate);
    const count = fields.actionCount;
    if (count === 0) return false;

    const dof = Math.min(fields.dof, SEED_DOF);
    const rows = count <= SEED_CHUNK_ROWS ? count : 0;
    for (let row = 0; row < rows; row++) {
      for (let joint = 0; joint < dof; joint++) {
        out.actions[row * dof + joint] = fields.actions[row * SEED_DOF + joint]!;
      }
    }
    out.rows = rows;
    out.dof = dof;
    out.startNs = nowNs;
    out.stepPeriodS = fields.defaultStepPeriodS;
    out.observedNs = nowNs;
    out.timestep = 0;
    out.sequence = 0;
    out.source = 0;
    return true;
  }
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
