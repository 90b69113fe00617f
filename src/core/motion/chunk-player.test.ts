import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkPlayer, type PlayableChunk } from './chunk-player.ts';

const MS = 1e6;
const chunk = (rows: number[], startMs = 0, stepMs = 100): PlayableChunk => ({
  actions: rows,
  rows: rows.length,
  startNs: startMs * MS,
  stepPeriodS: stepMs / 1000,
});
const p = new Float64Array(1);
const v = new Float64Array(1);
const at = (player: ChunkPlayer, ms: number): number => {
  player.sample(ms * MS, p, v);
  return p[0]!;
};
const numbers = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 20 });

describe('the chunk player', () => {
  it('passes through every row when it is due, and never beyond two neighbours between them', () => {
    fc.assert(
      fc.property(numbers, (rows) => {
        const player = new ChunkPlayer(1, 0);
        player.play(chunk(rows), 0, [0], [0]);
        rows.forEach((row, i) => {
          expect(at(player, i * 100)).toBeCloseTo(row, 9);
          const next = rows[i + 1] ?? row;
          for (let ms = 5; ms < 100; ms += 10) {
            const q = at(player, i * 100 + ms);
            expect(q).toBeGreaterThanOrEqual(Math.min(row, next) - 1e-9);
            expect(q).toBeLessThanOrEqual(Math.max(row, next) + 1e-9);
          }
        });
      }),
    );
  });

  it('is at the first row before it is due and stays at the last', () => {
    const player = new ChunkPlayer(1, 0);
    player.play(chunk([1, 2, 3], 1000), 0, [1], [0]);
    expect([at(player, 500), v[0]]).toEqual([1, 0]);
    expect([at(player, 1300), v[0]]).toEqual([3, 0]);
    expect([player.rowAt(500 * MS), player.rowAt(1150 * MS), player.rowAt(9999 * MS)]).toEqual([0, 1, 2]);
  });

  it('gives the velocity that its positions have', () => {
    fc.assert(
      fc.property(numbers, numbers, fc.double({ min: -3, max: 3, noNaN: true }), (rows, others, start) => {
        const player = new ChunkPlayer(1, 0.1);
        player.play(chunk(rows), 0, [start], [0.3]);
        at(player, 130);
        player.play(chunk(others, 50), 130 * MS, p, v);
        for (let ms = 131.5; ms < 400; ms += 7) {
          // A chunk that begins in the future starts to move when its first row is due.
          if (Math.abs((ms - 50) % 100) < 1) continue;
          const slope = (at(player, ms + 0.01) - at(player, ms - 0.01)) / 2e-5;
          at(player, ms);
          expect(v[0]).toBeCloseTo(slope, 1);
        }
      }),
    );
  });

  it('never jumps when a new chunk comes, however different, however often', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(numbers, fc.integer({ min: 1, max: 90 })), { minLength: 1, maxLength: 8 }),
        (plans) => {
          const player = new ChunkPlayer(1, 0.1);
          let ms = 0;
          p[0] = 0.5;
          v[0] = 0;
          for (const [rows, wait] of plans) {
            const before = p[0]!;
            const speed = v[0]!;
            player.play(chunk(rows, ms - 30), ms * MS, p, v);
            expect(at(player, ms)).toBeCloseTo(before, 9);
            expect(v[0]).toBeCloseTo(speed, 9);
            ms += wait;
            at(player, ms);
          }
        },
      ),
    );
  });

  it('has left the old plan when the blend time is over', () => {
    const player = new ChunkPlayer(1, 0.1);
    player.play(chunk([1, 1, 1, 1]), 0, [-2], [3]);
    expect(at(player, 0)).toBe(-2);
    expect(at(player, 100)).toBe(1);
  });

  it('keeps up with chunks that come every tick', () => {
    const player = new ChunkPlayer(1, 0.1);
    for (let ms = 0; ms < 50; ms += 2) {
      if (player.playing) at(player, ms);
      player.play(chunk([1], ms), ms * MS, p, v);
    }
    expect(at(player, 50)).toBe(1);
  });

  it('knows when its last row was due', () => {
    const player = new ChunkPlayer(1, 0.1);
    expect(player.runOutNs(0)).toBe(Number.POSITIVE_INFINITY);
    player.play(chunk([1, 2, 3], 1000), 0, [0], [0]);
    expect(player.runOutNs(1000 * MS)).toBe(-200 * MS);
    expect(player.runOutNs(1250 * MS)).toBe(50 * MS);
    player.stop();
    expect(player.playing).toBe(false);
  });
});
