import { MyelinError } from '../../core/errors.ts';
import { ACTION, type Feature, type NormMode } from '../features.ts';
import type { Batch } from './batch.ts';

/** Statistics of a feature by name: `mean`, `std`, `min`, `max`, `q01`, `q10`, `q90`, `q99`. */
export type FeatureStatistics = ReadonlyMap<string, Float64Array>;

/** Element-wise `(x - shift) / divisor + bias`, and back by `(y - bias) * factor + shift`. */
export interface Scaling {
  readonly shift: Float64Array;
  readonly divisor: Float64Array;
  readonly factor: Float64Array;
  readonly bias: number;
}

const RANGES: Partial<Record<NormMode, readonly [string, string]>> = {
  MIN_MAX: ['min', 'max'],
  QUANTILES: ['q01', 'q99'],
  QUANTILE10: ['q10', 'q90'],
};

/**
 * The scaling of a mode, LeRobot's formulas: mean and deviation go to 0 and 1 (`epsilon` keeps the divisor from
 * zero, forwards only); a range goes to -1 and 1 (`epsilon` stands for a range of zero).
 * @returns undefined for IDENTITY
 * @throws MyelinError CHECKPOINT_INVALID when a statistic is missing
 */
export function scalingOf(
  mode: NormMode,
  statistics: FeatureStatistics,
  epsilon: number,
  where: { readonly file: string; readonly feature: string },
): Scaling | undefined {
  const need = (name: string): Float64Array => {
    const values = statistics.get(name);
    if (values !== undefined) return values;
    const detail = `${mode} of ${where.feature} needs the statistic "${name}"`;
    throw new MyelinError('CHECKPOINT_INVALID', { file: where.file, detail });
  };
  if (mode === 'IDENTITY') return undefined;
  if (mode === 'MEAN_STD') {
    const factor = need('std');
    return { shift: need('mean'), divisor: factor.map((std) => std + epsilon), factor, bias: 0 };
  }
  const [lowName, highName] = RANGES[mode] as readonly [string, string];
  const low = need(lowName);
  const high = need(highName);
  const half = low.map((value, i) => ((high[i] as number) - value || epsilon) / 2);
  return { shift: low, divisor: half, factor: half, bias: -1 };
}

/** Scales in place; statistics repeat when there are more values (rows of a chunk, bytes of a channel). */
export function normalise(values: Float64Array, { shift, divisor, bias }: Scaling, repeat = 1): void {
  for (let i = 0; i < values.length; i++) {
    const k = Math.floor(i / repeat) % shift.length;
    values[i] = ((values[i] as number) - (shift[k] as number)) / (divisor[k] as number) + bias;
  }
}

export function unnormalise(values: Float64Array, { shift, factor, bias }: Scaling): void {
  for (let i = 0; i < values.length; i++) {
    const k = i % shift.length;
    values[i] = ((values[i] as number) - bias) * (factor[k] as number) + (shift[k] as number);
  }
}

export interface NormalizerSettings {
  readonly features: ReadonlyMap<string, Feature>;
  readonly modes: ReadonlyMap<string, NormMode>;
  readonly statistics: ReadonlyMap<string, FeatureStatistics>;
  readonly epsilon: number;
  /** Only these observations, when given. */
  readonly only?: ReadonlySet<string> | undefined;
  /** Where the statistics came from, for errors. */
  readonly file: string;
}

/** Normalisation of every feature that has statistics; a feature without them passes unchanged, as upstream. */
export class Normalizer {
  readonly #scalings = new Map<string, Scaling>();
  readonly #only: ReadonlySet<string> | undefined;

  /** @throws MyelinError CHECKPOINT_INVALID when statistics are missing or do not fit their feature */
  constructor({ features, modes, statistics, epsilon, only, file }: NormalizerSettings) {
    this.#only = only;
    for (const [name, feature] of features) {
      const known = statistics.get(name);
      const mode = modes.get(feature.type) ?? 'IDENTITY';
      if (known === undefined) continue;
      const scaling = scalingOf(mode, known, epsilon, { file, feature: name });
      if (scaling === undefined) continue;
      const expected = feature.type === 'VISUAL' ? 3 : feature.shape.reduce((product, n) => product * n, 1);
      for (const values of [scaling.shift, scaling.divisor]) {
        if (values.length === expected && values.every(Number.isFinite)) continue;
        const detail = `statistics of ${name} must be ${expected} finite numbers, are ${values.length}`;
        throw new MyelinError('CHECKPOINT_INVALID', { file, detail });
      }
      this.#scalings.set(name, scaling);
    }
  }

  /** Observations and, when there are any, actions: towards the model. */
  forward(batch: Batch): void {
    for (const [name, scaling] of this.#scalings) {
      if (name !== ACTION && this.#only?.has(name) === false) continue;
      const vector = batch.vectors.get(name);
      if (vector !== undefined) normalise(vector, scaling);
      const picture = batch.pictures.get(name);
      if (picture !== undefined) normalise(picture.levels, scaling, 256);
    }
  }

  /** Actions: from the model back to the robot's units. */
  backward(batch: Batch): void {
    const scaling = this.#scalings.get(ACTION);
    const actions = batch.vectors.get(ACTION);
    if (scaling !== undefined && actions !== undefined) unnormalise(actions, scaling);
  }
}
