import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { histogramPercentileUs } from '../core/histogram.ts';
import { ARM_LAYOUT, ARM_SEGMENT_BYTES } from '../segment/arm-layout.ts';
import { bind } from '../segment/fields.ts';
import { LoopStatistics } from './loop-statistics.ts';
import { nextDeadline, Pacer } from './pacer.ts';

const PERIOD = 2_000_000;

/** A clock that stands still but for sleeps, which end `latenessNs()` late, and 50 ns at every look. */
function simulated(latenessNs: () => number = () => 0) {
  const clock = {
    now: 1e12,
    looks: 0,
    nowNs: () => {
      clock.looks += 1;
      clock.now += 50;
      return clock.now;
    },
    sleepUntilNs: (deadlineNs: number) => {
      clock.now = Math.max(clock.now, deadlineNs) + latenessNs();
    },
    spinUntilNs: (deadlineNs: number) => {
      while (clock.nowNs() < deadlineNs);
    },
  };
  const memory = new ArrayBuffer(ARM_SEGMENT_BYTES);
  const statistics = new LoopStatistics(memory, PERIOD);
  const pacer = (spinNs = 0) => new Pacer({ periodNs: PERIOD, spinNs, clock, statistics });
  return { clock, pacer, fields: bind(ARM_LAYOUT, memory) };
}

describe('nextDeadline', () => {
  it('is one period on while the loop keeps up', () => {
    expect(nextDeadline(100, 10, 100)).toBe(110);
    expect(nextDeadline(100, 10, 119)).toBe(110);
  });

  it('skips whole periods that are lost', () => {
    expect(nextDeadline(100, 10, 120)).toBe(120);
    expect(nextDeadline(100, 10, 157)).toBe(150);
  });

  it('stays on the grid, is never behind by a period, and never in front of what is due', () => {
    const ns = fc.integer({ min: 0, max: 2 ** 50 });
    fc.assert(
      fc.property(
        ns,
        fc.integer({ min: 1e6, max: 2e7 }),
        fc.integer({ min: 0, max: 1e11 }),
        (previous, period, late) => {
          const next = nextDeadline(previous, period, previous + late);
          expect((next - previous) % period).toBe(0);
          expect(next).toBeGreaterThanOrEqual(previous + period);
          expect(previous + late - next).toBeLessThan(period);
          if (late >= period) expect(next).toBeLessThanOrEqual(previous + late);
        },
      ),
    );
  });
});

describe('the pacer', () => {
  it('serves every period and drifts by nothing', () => {
    const { pacer, clock, fields } = simulated(() => 60_000);
    const loop = pacer();
    loop.start();
    const startNs = clock.now;
    for (let tick = 1; tick <= 1000; tick++) {
      const nowNs = loop.wait();
      expect(nowNs - startNs - tick * PERIOD).toBe(60_050);
      loop.done();
    }
    expect(fields.ticks).toBe(1000);
    expect(fields.missed).toBe(0);
    expect(fields.latenessMaxNs).toBe(60_050);
    expect(fields.latenessSumNs).toBe(60_050_000);
    expect(histogramPercentileUs(fields.latenessHistogram, 0.5)).toBeCloseTo(64);
  });

  it('skips what a long sleep lost, counts it, and goes on in step', () => {
    let late = 0;
    const { pacer, clock, fields } = simulated(() => late);
    const loop = pacer();
    loop.start();
    const startNs = clock.now;
    late = 7_300_000;
    loop.wait();
    late = 0;
    expect(fields.missed).toBe(3);
    expect(fields.ticks).toBe(1);
    expect(loop.wait() - startNs).toBe(5 * PERIOD + 50);
    expect(fields.missed).toBe(3);
    expect(fields.ticks).toBe(2);
  });

  it('counts the periods a slow tick runs over', () => {
    const { pacer, clock, fields } = simulated();
    const loop = pacer();
    loop.start();
    loop.wait();
    clock.now += 3 * PERIOD;
    loop.done();
    loop.wait();
    expect(fields.missed).toBe(2);
    expect(fields.executionMaxNs).toBe(3 * PERIOD + 50);
    expect(fields.executionLastNs).toBe(3 * PERIOD + 50);
  });

  it('loses no period over hours: served and missed add up to the time that passed', () => {
    const lateness = fc.array(fc.oneof(fc.nat(200_000), fc.nat(30_000_000)), {
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(lateness, (list) => {
        let index = 0;
        const { pacer, clock, fields } = simulated(() => list[index++] ?? 0);
        const loop = pacer();
        loop.start();
        const startNs = clock.now;
        let lastNs = 0;
        for (const _ of list) {
          lastNs = loop.wait();
          loop.done();
        }
        expect(fields.ticks + fields.missed).toBe(Math.floor((lastNs - startNs) / PERIOD));
      }),
    );
  });

  it('spins through the last stretch and begins right on time', () => {
    const { pacer, clock, fields } = simulated(() => 30_000);
    const loop = pacer(100_000);
    loop.start();
    loop.wait();
    expect(fields.latenessMaxNs).toBeLessThanOrEqual(50);
    expect(clock.looks).toBeGreaterThan(1000);
  });

  it('measures how far real periods are from the nominal one', () => {
    const late = [0, 500_000, 0];
    const { pacer, fields } = simulated(() => late.shift() ?? 0);
    const loop = pacer();
    loop.start();
    for (let tick = 0; tick < 3; tick++) loop.wait();
    expect(fields.periodHistogram.reduce((sum, count) => sum + count)).toBe(2);
    expect(histogramPercentileUs(fields.periodHistogram, 1)).toBeGreaterThan(500);
    expect(fields.periodNs).toBe(PERIOD);
  });
});
