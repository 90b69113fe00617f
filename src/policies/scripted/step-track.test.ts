import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { motionExtremes } from '../../core/motion/finite-differences.ts';
import { StepTrack } from './step-track.ts';

const PERIOD_S = 1 / 30;
const limits = {
  positionMin: [-3, -3],
  positionMax: [3, 3],
  velocityMax: [5, 2],
  accelerationMax: [15, 8],
  jerkMax: [500, 300],
};
const pose = fc.tuple(
  fc.double({ min: -2, max: 2, noNaN: true }),
  fc.double({ min: -2, max: 2, noNaN: true }),
);

function rows(track: StepTrack<string>, from: number): Float64Array[] {
  return Array.from({ length: track.remaining(from) }, (_, k) => track.row(from + k)!);
}

const extremes = (list: readonly Float64Array[], joint: number) =>
  motionExtremes(
    list.map((row) => row[joint]!),
    limits,
    joint,
    PERIOD_S,
  );

describe('a step track', () => {
  it('moves from rest to rest within its share of the limits, and ends exactly there', () => {
    fc.assert(
      fc.property(pose, pose, fc.double({ min: 0.1, max: 1, noNaN: true }), (from, to, share) => {
        const track = new StepTrack<string>(limits, PERIOD_S);
        track.restart(7, from, 'start');
        track.moveTo(to, share, 'move');
        expect([...track.end]).toEqual(to);
        for (const joint of [0, 1]) {
          const seen = extremes(rows(track, 7), joint);
          expect(seen.velocity).toBeLessThanOrEqual(1.001 * share);
          expect(seen.acceleration).toBeLessThanOrEqual(1.02 * share);
        }
      }),
    );
  });

  it('goes on smoothly from wherever it was cut', () => {
    fc.assert(
      fc.property(pose, pose, pose, fc.double({ min: 0, max: 1, noNaN: true }), (from, to, other, at) => {
        const track = new StepTrack<string>(limits, PERIOD_S);
        track.restart(0, from, 'start');
        track.moveTo(to, 0.4, 'move');
        const cut = Math.round(at * (track.remaining(0) - 1));
        const before = rows(track, 0).slice(0, cut + 1);
        track.cut(cut);
        track.moveTo(other, 0.4, 'elsewhere');
        expect(rows(track, 0).slice(0, cut + 1)).toEqual(before);
        expect(track.label(cut + 1)).toBe(track.remaining(0) > cut + 1 ? 'elsewhere' : undefined);
        for (const joint of [0, 1]) {
          const seen = extremes(rows(track, 0), joint);
          expect(seen.velocity).toBeLessThanOrEqual(1);
          expect(seen.acceleration).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('holds for a while and forgets what is over, keeping its step count', () => {
    const track = new StepTrack<string>(limits, PERIOD_S);
    track.restart(10, [1, 2], 'start');
    track.hold(1, 'hold');
    expect(track.remaining(10)).toBe(31);
    track.forget(30);
    expect(track.row(27)).toBeUndefined();
    expect([...track.row(28)!]).toEqual([1, 2]);
    expect(track.remaining(30)).toBe(11);
    expect(track.labelsFrom(39)).toEqual(['hold', 'hold']);
    expect(track.row(41)).toBeUndefined();
  });
});
