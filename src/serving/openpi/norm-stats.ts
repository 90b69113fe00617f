import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';

const axes = z.array(z.number()).min(1).max(1000);
const statsSchema = z.object({ mean: axes, std: axes, q01: axes.optional(), q99: axes.optional() });
const fileSchema = z.object({ norm_stats: z.object({ state: statsSchema, actions: statsSchema }) });

/** `quantiles` for pi0.5, `z-score` for pi0. */
export type NormMode = 'quantiles' | 'z-score';

/** Scale and offset of each axis: normalised = (value - offset) / scale. */
interface Affine {
  readonly offset: readonly number[];
  readonly scale: readonly number[];
}

/** openpi keeps a hundredth of a per cent of a span from being divided by: the same constant as in its own code. */
const TINY = 1e-6;

/** A checkpoint's own statistics, for servers that leave normalising to their clients. */
export class NormStats {
  readonly #state: Affine;
  readonly #actions: Affine;

  constructor(state: Affine, actions: Affine) {
    this.#state = state;
    this.#actions = actions;
  }

  /** Numbers in an action. */
  get actionLength(): number {
    return this.#actions.offset.length;
  }

  /** A state in the robot's units, as the model wants it. @throws MyelinError OBSERVATION_MISMATCH */
  normaliseState(state: Float64Array): Float64Array {
    const { offset, scale } = this.#state;
    if (state.length > offset.length) {
      throw new MyelinError('OBSERVATION_MISMATCH', {
        needed: `at most ${offset.length} state numbers, as the normalisation statistics have`,
        found: `${state.length}`,
        advice: 'Use the norm_stats.json of the robot that this is.',
      });
    }
    return state.map((value, axis) => (value - (offset[axis] as number)) / (scale[axis] as number));
  }

  /** Rows of the model, at least as wide as an action, to rows in the robot's units. */
  restoreActions(values: Float64Array, rows: number, width: number): Float64Array {
    const { offset, scale } = this.#actions;
    const dof = offset.length;
    const actions = new Float64Array(rows * dof);
    for (let row = 0; row < rows; row++) {
      for (let axis = 0; axis < dof; axis++) {
        const value = values[row * width + axis] as number;
        actions[row * dof + axis] = value * (scale[axis] as number) + (offset[axis] as number);
      }
    }
    return actions;
  }
}

/**
 * Reads openpi's `norm_stats.json` (`assets/<robot>/norm_stats.json` of a checkpoint).
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID
 */
export async function readNormStats(file: string, mode: NormMode = 'quantiles'): Promise<NormStats> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  });
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  let parsed: ReturnType<typeof fileSchema.safeParse>;
  try {
    parsed = fileSchema.safeParse(JSON.parse(text));
  } catch {
    throw invalid('it is not JSON');
  }
  if (!parsed.success)
    throw invalid(`${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`);
  const { state, actions } = parsed.data.norm_stats;
  const affine = (name: string, stats: z.infer<typeof statsSchema>): Affine => {
    const [low, high] = mode === 'quantiles' ? [stats.q01, stats.q99] : [stats.mean, stats.std];
    if (low === undefined || high === undefined) throw invalid(`${name} has no q01 and q99`);
    if (low.length !== high.length) throw invalid(`${name} has lists of different lengths`);
    if (mode === 'z-score') return { offset: low, scale: high.map((std) => std + TINY) };
    // (x - q01) / (q99 - q01) * 2 - 1 as one scale and offset.
    const scale = high.map((q99, axis) => (q99 - (low[axis] as number) + TINY) / 2);
    return { offset: low.map((q01, axis) => q01 + (scale[axis] as number)), scale };
  };
  return new NormStats(affine('state', state), affine('actions', actions));
}
