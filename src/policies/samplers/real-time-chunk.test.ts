import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RealTimeChunk, RealTimeSupport } from '../policy.ts';
import { continuation, guidanceStrength, pullWeights } from './real-time-chunk.ts';

const SUPPORT: RealTimeSupport = {
  mode: 'guided',
  trainedDelay: 0,
  executionHorizon: 10,
  schedule: 'linear',
  maxGuidance: 10,
};

describe('real-time chunking', () => {
  it('pulls fully over the delay, then less and less, and not at all from the horizon on', () => {
    expect([...pullWeights(6, 2, 4)].map((weight) => Number(weight.toFixed(4)))).toEqual([
      1, 1, 0.6667, 0.3333, 0, 0,
    ]);
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.integer({ min: 1, max: 60 }), (delay, horizon, rows) => {
        const weights = [...pullWeights(rows, delay, horizon)];
        expect(weights).toEqual([...weights].sort((a, b) => b - a));
        weights.forEach((weight, row) => {
          if (row < Math.min(delay, horizon)) expect(weight).toBe(1);
          if (row >= horizon) expect(weight).toBe(0);
          expect(weight >= 0 && weight <= 1).toBe(true);
        });
      }),
    );
  });

  it('lets the pull fall as the schedule says', () => {
    const ramp = (schedule: RealTimeSupport['schedule']) =>
      [...pullWeights(12, 3, 8, schedule).slice(2, 9)].map((weight) => Number(weight.toFixed(4)));
    expect(ramp('linear')).toEqual([1, 0.8333, 0.6667, 0.5, 0.3333, 0.1667, 0]);
    expect(ramp('exp')).toEqual([1, 0.6309, 0.3677, 0.1888, 0.0767, 0.0176, 0]);
    expect(ramp('ones')).toEqual([1, 1, 1, 1, 1, 1, 0]);
    expect(ramp('zeros')).toEqual([1, 0, 0, 0, 0, 0, 0]);
  });

  it('takes of the checkpoint what a request leaves out', () => {
    const ask = (more: Partial<RealTimeChunk>) =>
      continuation(
        { previous: new Float64Array(2), rows: 1, delaySteps: 1, mode: 'guided', ...more },
        new Float64Array(2),
        { rows: 4, width: 2, support: { ...SUPPORT, executionHorizon: 7, schedule: 'exp', maxGuidance: 3 } },
      );
    expect(ask({})).toMatchObject({ executionHorizon: 7, schedule: 'exp', maxGuidance: 3 });
    expect(ask({ executionHorizon: 2, schedule: 'ones', maxGuidance: 5 })).toMatchObject({
      executionHorizon: 2,
      schedule: 'ones',
      maxGuidance: 5,
    });
  });

  it('pulls no harder than it may, where the formula would be infinite at both ends', () => {
    expect([guidanceStrength(1, 10), guidanceStrength(0, 4)]).toEqual([10, 4]);
    expect(guidanceStrength(0.5, 10)).toBeCloseTo(2, 10);
    expect(guidanceStrength(0.1, 10)).toBeCloseTo((0.1 / 0.9) * ((0.01 + 0.81) / 0.01), 10);
  });

  it('pads the previous chunk to the model, and drops what is beyond its end', () => {
    const request: RealTimeChunk = { previous: new Float64Array(0), rows: 3, delaySteps: 1, mode: 'guided' };
    const previous = Float64Array.of(1, 2, 3, 4, 5, 6);
    const wide = continuation(request, previous, { rows: 4, width: 3, support: SUPPORT });
    expect([...wide.previous]).toEqual([1, 2, 0, 3, 4, 0, 5, 6, 0, 0, 0, 0]);
    expect([wide.previousRows, wide.executionHorizon]).toEqual([3, 10]);
    const short = continuation(request, previous, { rows: 2, width: 2, support: SUPPORT });
    expect([...short.previous]).toEqual([1, 2, 3, 4]);
    expect(short.previousRows).toBe(2);
  });

  it('continues the trained way only from what was trained', () => {
    const ask = (delaySteps: number, trainedDelay: number) =>
      continuation(
        { previous: new Float64Array(6), rows: 3, delaySteps, mode: 'trained' },
        new Float64Array(6),
        {
          rows: 4,
          width: 2,
          support: { ...SUPPORT, trainedDelay },
        },
      );
    expect(ask(2, 5).mode).toBe('trained');
    expect(() => ask(1, 0)).toThrow('was not trained');
    expect(() => ask(3, 2)).toThrow('at most 2');
    expect(() => ask(4, 9)).toThrow('at most 3');
  });
});
