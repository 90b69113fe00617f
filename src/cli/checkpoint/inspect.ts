import { type CheckpointReport, inspectCheckpoint } from '../../policies/checkpoint.ts';
import { type CheckpointContents, checkpointContents } from '../../policies/checkpoint-contents.ts';
import { readableBytes } from '../../policies/hub/download-notes.ts';
import { checkpointPath } from './local.ts';

export interface InspectOptions {
  readonly json: boolean;
  readonly statistics: boolean;
}

/** `myelin checkpoint inspect`. @returns the exit code: 1 when it could not run */
export async function inspect(pathOrReference: string, options: InspectOptions): Promise<number> {
  const path = await checkpointPath(pathOrReference);
  const report = await inspectCheckpoint(path);
  const contents = await checkpointContents(path);
  const text = options.json
    ? JSON.stringify({ ...report, ...contents }, undefined, 2)
    : describe(report, contents, options.statistics);
  process.stdout.write(`${text}\n`);
  return report.missing.length + report.misshapen.length > 0 ? 1 : 0;
}

const count = (value: number): string =>
  value >= 1e6 ? `${(value / 1e6).toFixed(value >= 1e8 ? 0 : 1)} M` : String(value);
const shape = (extents: readonly number[]): string => `[${extents.join(', ')}]`;
const line = (label: string, text: string) => `${label.padEnd(12)}${text}`;

function describe(report: CheckpointReport, contents: CheckpointContents, statistics: boolean): string {
  const features = (label: string, list: CheckpointReport['inputs']) =>
    list.map(({ name, type, shape: extents, normalization }, i) =>
      line(i === 0 ? label : '', `${name}  ${type} ${shape(extents)}  ${normalization}`),
    );
  const bytes = contents.types.reduce((sum, each) => sum + each.bytes, 0);
  const queue = `${report.chunkRows} rows a chunk, ${report.actionSteps} executed`;
  const ensemble = report.temporalEnsembleCoefficient;
  return [
    line('type', `${report.type}${report.legacy ? ', statistics inside the weights' : ''}`),
    line('folder', report.folder),
    ...features('inputs', report.inputs),
    ...features('outputs', report.outputs),
    line('chunk', ensemble === undefined ? queue : `${queue}, ensembled with ${ensemble}`),
    line('weights', `${count(report.weights)} to act, ${count(report.trainingWeights)} for training only`),
    ...contents.types.map((each, i) =>
      line(
        i === 0 ? 'stored' : '',
        `${each.type}: ${each.tensors} tensors, ${count(each.elements)} elements, ${readableBytes(each.bytes)}`,
      ),
    ),
    ...contents.files.map((file, i) =>
      line(i === 0 ? 'files' : '', i === 0 ? `${file} (${readableBytes(bytes)} in all)` : file),
    ),
    ...contents.tied.map((name, i) => line(i === 0 ? 'tied' : '', name)),
    ...summary(contents, statistics),
    ...problems(report),
  ].join('\n');
}

function summary({ statistics }: CheckpointContents, all: boolean): string[] {
  if (statistics.length === 0) return [line('statistics', 'none')];
  if (!all) {
    const features = new Set(statistics.map(({ name }) => name.replace(/\.\w+$/, '')));
    return [line('statistics', `${statistics.length}, of ${[...features].join(', ')} (--statistics)`)];
  }
  return statistics.map(({ name, count: length, least, most }, i) =>
    line(i === 0 ? 'statistics' : '', `${name}  ${length} from ${rounded(least)} to ${rounded(most)}`),
  );
}

const rounded = (value: number) => String(Number(value.toPrecision(4)));

function problems({ missing, misshapen, unknown }: CheckpointReport): string[] {
  if (missing.length + misshapen.length + unknown.length === 0)
    return [line('tensors', 'all that acting needs, and no others')];
  return [
    ...missing.map(({ tensor, expected }) => line('missing', `${tensor} ${shape(expected)}`)),
    ...misshapen.map(({ tensor, expected, found }) =>
      line('misshapen', `${tensor} is ${shape(found)}, must be ${shape(expected)}`),
    ),
    ...unknown.map((tensor) => line('unknown', tensor)),
  ];
}
