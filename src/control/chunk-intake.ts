import type { ArmLimits } from '../arms/description.ts';
import { ChunkPlayer } from '../core/motion/chunk-player.ts';
import type { ArmSegment } from '../segment/arm-segment.ts';
import { ChunkReader, createReceivedChunk, LegacyChunkReader } from '../segment/chunk-exchange.ts';
import { type ActiveChunk, chunkRefusal } from './chunk-check.ts';
import { ChunkRefusal, EventCode, type EventSink } from './event-codes.ts';

/** A new chunk's difference from the old plan fades out over this time. */
const BLEND_S = 0.1;

export const Intake = { NOTHING: 0, TAKEN: 1, REFUSED: 2 } as const;
export type IntakeCode = (typeof Intake)[keyof typeof Intake];

/**
 * Where the arm's actions come from: takes over chunks from the lease's holder, or from a script that knows only
 * the first page, refuses the bad ones, and plays the good ones. Allocates nothing after it is made.
 */
export class ChunkIntake {
  readonly player: ChunkPlayer;
  refused = 0;
  /** Sequence number of the chunk being played. */
  sequence = 0;
  readonly #dof: number;
  readonly #limits: ArmLimits;
  readonly #events: EventSink;
  readonly #reader: ChunkReader;
  readonly #legacy: LegacyChunkReader;
  readonly #chunk = createReceivedChunk();
  readonly #active: ActiveChunk = { source: -1, observedNs: 0, timestep: 0 };
  #waiting = false;
  /** The chunk that waits came while nothing was to be played. */
  #leftOver = false;

  constructor(segment: ArmSegment, limits: ArmLimits, events: EventSink) {
    this.#dof = limits.positionMin.length;
    this.#limits = limits;
    this.#events = events;
    this.#reader = new ChunkReader(segment);
    this.#legacy = new LegacyChunkReader(segment);
    this.player = new ChunkPlayer(this.#dof, BLEND_S);
  }

  /** Looks for a new chunk, once a tick, also while nothing is played. */
  poll(nowNs: number): void {
    const arrived = this.#reader.poll(this.#chunk);
    if (!this.#legacy.poll(nowNs, this.#chunk) && !arrived) return;
    this.#waiting = true;
    this.#leftOver = false;
  }

  /**
   * Plays the chunk that waits, if there is one and it is good. The target is at `position` and moves with
   * `velocity` now; `fresh` says that nothing was played before.
   */
  take(nowNs: number, position: Float64Array, velocity: Float64Array, fresh: boolean): IntakeCode {
    if (!this.#waiting) return Intake.NOTHING;
    this.#waiting = false;
    const chunk = this.#chunk;
    // A script that knows only the first page says no times: its rows begin when they may.
    if (fresh && chunk.source === 0) chunk.startNs = nowNs;
    const refusal = chunkRefusal(chunk, this.#dof, nowNs, this.#active);
    if (refusal === ChunkRefusal.EXPIRED && this.#leftOver) return Intake.NOTHING;
    if (refusal !== 0) {
      this.refused += 1;
      this.#events.push(nowNs, EventCode.CHUNK_REFUSED, refusal, chunk.sequence, chunk.source);
      return Intake.REFUSED;
    }
    if (chunk.source !== this.#active.source) {
      this.#events.push(nowNs, EventCode.COMMANDER, chunk.source, this.#active.source);
    }
    this.#active.source = chunk.source;
    this.#active.observedNs = chunk.observedNs;
    this.#active.timestep = chunk.timestep;
    this.sequence = chunk.sequence;
    this.#tame();
    this.player.play(chunk, nowNs, position, velocity);
    return Intake.TAKEN;
  }

  /** Forgets what is played. What waits, waits on, and nobody minds if it is too late by then. */
  stop(): void {
    this.#leftOver = this.#waiting;
    this.player.stop();
  }

  /** Moves absurd numbers to the neighbourhood of the range: still a clamp to be seen, no more an overflow. */
  #tame(): void {
    const { actions, rows } = this.#chunk;
    const { positionMin, positionMax } = this.#limits;
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < this.#dof; i++) {
        const slack = positionMax[i]! - positionMin[i]!;
        const at = row * this.#dof + i;
        actions[at] = Math.min(Math.max(actions[at]!, positionMin[i]! - slack), positionMax[i]! + slack);
      }
    }
  }
}
