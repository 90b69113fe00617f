import { describe, expect, it } from 'vitest';
import { MAX_CHUNK_ROWS } from '../core/joints.ts';
import { createReceivedChunk, type ReceivedChunk } from '../segment/received-chunk.ts';
import { chunkRefusal } from './chunk-check.ts';
import { ChunkRefusal } from './event-codes.ts';

const NOW_NS = 100e9;
const DOF = 7;
const NOBODY = { source: -1, observedNs: 0, timestep: 0 };

function chunk(changes: Partial<ReceivedChunk> = {}): ReceivedChunk {
  const times = { startNs: NOW_NS, stepPeriodS: 0.03, observedNs: NOW_NS - 50e6, timestep: 5 };
  return { ...createReceivedChunk(), rows: 10, dof: DOF, source: 42, sequence: 1, ...times, ...changes };
}
const judge = (changes: Partial<ReceivedChunk>, active = NOBODY): number =>
  chunkRefusal(chunk(changes), DOF, NOW_NS, active);

describe('a chunk', () => {
  it('is accepted when nothing is wrong with it, up to the most rows there can be', () => {
    expect([judge({}), judge({ rows: 1 }), judge({ rows: MAX_CHUNK_ROWS })]).toEqual([0, 0, 0]);
  });

  it.each([{ rows: 0 }, { rows: MAX_CHUNK_ROWS + 1 }, { rows: Number.NaN }, { dof: 6 }])(
    'is refused for its shape: %o',
    (changes) => expect(judge(changes)).toBe(ChunkRefusal.SHAPE),
  );

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'is refused for a %d in the last number of its last row, and not for one behind that',
    (bad) => {
      const inside = chunk();
      inside.actions[10 * DOF - 1] = bad;
      const behind = chunk();
      behind.actions[10 * DOF] = bad;
      expect(chunkRefusal(inside, DOF, NOW_NS, NOBODY)).toBe(ChunkRefusal.NOT_FINITE);
      expect(chunkRefusal(behind, DOF, NOW_NS, NOBODY)).toBe(0);
    },
  );

  it.each([0, -0.03, 0.0009, 1.1, Number.NaN])('is refused for a step period of %d s', (stepPeriodS) => {
    expect(judge({ stepPeriodS })).toBe(ChunkRefusal.STEP_PERIOD);
  });

  it.each([
    { startNs: NOW_NS + 3e9 },
    { startNs: NOW_NS - 61e9, stepPeriodS: 1, rows: 100 },
    { startNs: Number.NaN },
    { observedNs: NOW_NS + 60e6 },
    { observedNs: -1 },
    { timestep: Number.NaN },
  ])('is refused for times that cannot be: %o', (changes) => {
    expect(judge(changes)).toBe(ChunkRefusal.TIME);
  });

  it('is refused from the moment on at which its last row is over', () => {
    const whole = { rows: 10, stepPeriodS: 0.1 };
    expect(judge({ ...whole, startNs: NOW_NS - 1e9 })).toBe(ChunkRefusal.EXPIRED);
    expect(judge({ ...whole, startNs: NOW_NS - 0.99e9 })).toBe(0);
  });

  it('is refused behind its own commander, by observation and then by timestep, and never behind another', () => {
    const active = { source: 42, observedNs: NOW_NS - 50e6, timestep: 5 };
    expect(judge({ observedNs: NOW_NS - 51e6, timestep: 9 }, active)).toBe(ChunkRefusal.OUT_OF_ORDER);
    expect(judge({ timestep: 4 }, active)).toBe(ChunkRefusal.OUT_OF_ORDER);
    expect(judge({ observedNs: NOW_NS - 51e6, source: 43 }, active)).toBe(0);
  });

  it('begins a new episode with a smaller timestep and a newer observation', () => {
    const active = { source: 42, observedNs: NOW_NS - 51e6, timestep: 900 };
    expect(judge({ timestep: 0 }, active)).toBe(0);
  });
});
