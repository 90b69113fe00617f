import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { readJson } from '../read-json.ts';
import type { TensorToWrite } from '../safetensors-writer.ts';

const FILE = 'norm_stats.json';
const numbers = z.array(z.number()).min(1).max(4096);
const statisticsSchema = z.looseObject({
  mean: numbers,
  std: numbers,
  q01: numbers.nullish(),
  q99: numbers.nullish(),
});
const fileSchema = z.looseObject({
  norm_stats: z.looseObject({ state: statisticsSchema, actions: statisticsSchema }),
});

export interface OpenpiStatistics {
  readonly file: string;
  readonly stateLength: number;
  readonly actionLength: number;
  /** As the processors' state file holds them. */
  readonly tensors: readonly TensorToWrite[];
}

/**
 * openpi divides by (std + 1e-6) and by (q99 - q01 + 1e-6); LeRobot's formulas have no such addend. Putting it into
 * the statistics makes both give the same.
 */
const ADDEND = 1e-6;

/**
 * Reads `assets/<asset id>/norm_stats.json` of an openpi checkpoint.
 * @param asset which one, when there are several
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID, INVALID_ARGUMENT
 */
export async function readOpenpiStatistics(
  folder: string,
  asset: string | undefined,
  quantiles: boolean,
): Promise<OpenpiStatistics> {
  const file = findFile(folder, asset);
  const { state, actions } = (await readJson(file, fileSchema)).norm_stats;
  const tensors = [
    ...featureTensors(file, 'observation.state', state, quantiles),
    ...featureTensors(file, 'action', actions, quantiles),
  ];
  return { file, stateLength: state.mean.length, actionLength: actions.mean.length, tensors };
}

function findFile(folder: string, asset: string | undefined): string {
  const assets = join(folder, 'assets');
  const found = (existsSync(assets) ? readdirSync(assets, { recursive: true, encoding: 'utf8' }) : [])
    .filter((path) => path === FILE || path.replaceAll('\\', '/').endsWith(`/${FILE}`))
    .map((path) => ({ id: path.replaceAll('\\', '/').slice(0, -FILE.length - 1), path: join(assets, path) }));
  const chosen = asset === undefined ? found : found.filter(({ id }) => id === asset);
  const [only, ...others] = chosen;
  if (only !== undefined && others.length === 0) return only.path;
  if (found.length === 0) throw new MyelinError('FILE_NOT_FOUND', { file: join(assets, 'ASSET', FILE) });
  const allowed = `one of: ${found.map(({ id }) => id).join(', ')}`;
  throw new MyelinError('INVALID_ARGUMENT', { name: '--asset', value: asset ?? 'missing', allowed });
}

function featureTensors(
  file: string,
  feature: string,
  { mean, std, q01, q99 }: z.infer<typeof statisticsSchema>,
  quantiles: boolean,
): TensorToWrite[] {
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  if (quantiles && (!q01 || !q99)) throw invalid(`${feature} has no q01 and q99, which pi05 normalises with`);
  const all: [string, readonly number[]][] = [
    ['mean', mean],
    ['std', std.map((value) => value + ADDEND)],
  ];
  if (q01 && q99) all.push(['q01', q01], ['q99', q99.map((value) => value + ADDEND)]);
  return all.map(([statistic, values]) => {
    if (values.length !== mean.length)
      throw invalid(`${feature}: ${statistic} has ${values.length} numbers, mean has ${mean.length}`);
    return {
      name: `${feature}.${statistic}`,
      shape: [values.length],
      values: () => Float32Array.from(values),
    };
  });
}
