import { MAX_CHUNK_ROWS } from '../core/joints.ts';
import type { ReceivedChunk } from '../segment/received-chunk.ts';
import { ChunkRefusal } from './event-codes.ts';

const STEP_PERIOD_MIN_S = 0.001;
const STEP_PERIOD_MAX_S = 1;
/** A first row may be due this far ahead; more is a clock that cannot be right. */
const AHEAD_NS = 2e9;
const BEHIND_NS = 60e9;
/** Two processes read the same clock, but not at the same moment. */
const OBSERVED_AHEAD_NS = 50e6;

/** What the chunk being executed says of itself, to put another one in order with it. */
export interface ActiveChunk {
  /** -1 when none is executed. */
  source: number;
  observedNs: number;
  timestep: number;
}

/**
 * Whether a chunk may move an arm of `dof` joints: 0, or the {@link ChunkRefusal} that says why not. From one source
 * they must come in order of observation, then of timestep: a smaller timestep with a newer observation begins a
 * new episode.
 */
export function chunkRefusal(chunk: ReceivedChunk, dof: number, nowNs: number, active: ActiveChunk): number {
  const { rows, startNs, stepPeriodS, observedNs, timestep } = chunk;
  if (!(rows >= 1 && rows <= MAX_CHUNK_ROWS) || chunk.dof !== dof) return ChunkRefusal.SHAPE;
  for (let i = 0; i < rows * dof; i++)
    if (!Number.isFinite(chunk.actions[i]!)) return ChunkRefusal.NOT_FINITE;
  if (!(stepPeriodS >= STEP_PERIOD_MIN_S && stepPeriodS <= STEP_PERIOD_MAX_S))
    return ChunkRefusal.STEP_PERIOD;
  if (!(startNs <= nowNs + AHEAD_NS && startNs >= nowNs - BEHIND_NS)) return ChunkRefusal.TIME;
  if (!(observedNs <= nowNs + OBSERVED_AHEAD_NS && observedNs >= 0)) return ChunkRefusal.TIME;
  if (!Number.isFinite(timestep)) return ChunkRefusal.TIME;
  if (startNs + rows * stepPeriodS * 1e9 <= nowNs) return ChunkRefusal.EXPIRED;
  if (chunk.source === active.source) {
    if (observedNs < active.observedNs) return ChunkRefusal.OUT_OF_ORDER;
    if (observedNs === active.observedNs && timestep < active.timestep) return ChunkRefusal.OUT_OF_ORDER;
  }
  return 0;
}
