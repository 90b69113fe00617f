import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import type { NormMode } from '../features.ts';
import { makeBatch } from './batch.ts';
import { Normalizer, normalise, scalingOf, unnormalise } from './normalizer.ts';

const where = { file: 'stats.safetensors', feature: 'action' };
const statistics = new Map(
  Object.entries({ mean: 0.5, std: 2, min: -1, max: 3, q01: -0.5, q99: 1.5, q10: 0, q90: 0.5 }).map(
    ([name, value]): [string, Float64Array] => [name, Float64Array.of(value)],
  ),
);
const scaled = (mode: NormMode, value: number): number => {
  const values = Float64Array.of(value);
  normalise(values, scalingOf(mode, statistics, 1e-8, where)!);
  return values[0] ?? Number.NaN;
};

describe('normalisation', () => {
  it('follows the formula of each mode', () => {
    expect(scaled('MEAN_STD', 2.5)).toBeCloseTo(1, 7);
    expect([scaled('MIN_MAX', -1), scaled('MIN_MAX', 3), scaled('MIN_MAX', 1)]).toEqual([-1, 1, 0]);
    expect([scaled('QUANTILES', -0.5), scaled('QUANTILES', 1.5)]).toEqual([-1, 1]);
    expect([scaled('QUANTILE10', 0), scaled('QUANTILE10', 1)]).toEqual([-1, 3]);
    expect(scalingOf('IDENTITY', new Map(), 1e-8, where)).toBeUndefined();
  });

  it('is undone by its inverse, and keeps a constant feature finite', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<NormMode>('MEAN_STD', 'MIN_MAX', 'QUANTILES', 'QUANTILE10'),
        fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 9 }),
        (mode, list) => {
          const values = Float64Array.from(list);
          const scaling = scalingOf(mode, statistics, 1e-8, where)!;
          normalise(values, scaling);
          unnormalise(values, scaling);
          for (const [i, value] of values.entries()) expect(value).toBeCloseTo(list[i] ?? 0, 4);
        },
      ),
    );
    const still = new Map([
      ['min', Float64Array.of(2)],
      ['max', Float64Array.of(2)],
    ]);
    const value = Float64Array.of(2);
    normalise(value, scalingOf('MIN_MAX', still, 1e-8, where)!);
    expect(value[0]).toBe(-1);
  });

  it('leaves a feature without statistics as it is, and repeats statistics over the rows of a chunk', () => {
    const normalizer = new Normalizer({
      features: new Map([
        ['action', { type: 'ACTION', shape: [2] }],
        ['observation.state', { type: 'STATE', shape: [1] }],
      ]),
      modes: new Map([
        ['ACTION', 'MEAN_STD'],
        ['STATE', 'MEAN_STD'],
      ]),
      statistics: new Map([
        [
          'action',
          new Map([
            ['mean', Float64Array.of(1, 2)],
            ['std', Float64Array.of(10, 100)],
          ]),
        ],
      ]),
      epsilon: 1e-8,
      file: 'stats',
    });
    const batch = makeBatch({
      vectors: new Map([
        ['action', Float64Array.of(0, 0, 1, 1)],
        ['observation.state', Float64Array.of(7)],
      ]),
    });
    normalizer.backward(batch);
    normalizer.forward({
      ...batch,
      vectors: new Map([['observation.state', batch.vectors.get('observation.state')!]]),
    });
    expect([...(batch.vectors.get('action') ?? [])]).toEqual([1, 2, 11, 102]);
    expect([...(batch.vectors.get('observation.state') ?? [])]).toEqual([7]);
  });

  it('names what is missing, and refuses statistics of the wrong length', () => {
    expect(() => scalingOf('QUANTILES', new Map(), 1e-8, where)).toThrow(
      'QUANTILES of action needs the statistic "q01"',
    );
    const make = () =>
      new Normalizer({
        features: new Map([['action', { type: 'ACTION', shape: [3] }]]),
        modes: new Map([['ACTION', 'MEAN_STD']]),
        statistics: new Map([['action', statistics]]),
        epsilon: 1e-8,
        file: 'stats',
      });
    expect(make).toThrow(MyelinError);
    expect(make).toThrow('statistics of action must be 3 finite numbers, are 1');
  });
});
