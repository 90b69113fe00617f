import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import type { BenchTable } from '../../core/bench-table.ts';
import { actConfig } from '../../policies/models/act-config.ts';
import { QUANTIZED_FORMATS, type QuantizedName } from '../../policies/quantize/format.ts';
import { type QuantizationReport, quantizationReport } from '../../policies/quantize/report.ts';
import { createSeededCheckpoint } from '../../policies/seeded-checkpoint.ts';
import { removeScratch, scratchFolder } from './scratch.ts';

export interface QuantizeBenchOptions {
  /** Default: a full-size ACT with random weights. */
  readonly checkpoint?: string;
  /** Inferences that are timed for each form. */
  readonly repeats: number;
}

/** What whole numbers cost a checkpoint in accuracy, and what they gain it in time and memory. */
export async function benchQuantize({ checkpoint, repeats }: QuantizeBenchOptions): Promise<BenchTable[]> {
  if (checkpoint !== undefined) return measure(checkpoint, checkpoint, repeats);
  const folder = scratchFolder();
  try {
    await createSeededCheckpoint(folder, actConfig(), 1);
    return await measure(folder, undefined, repeats);
  } finally {
    removeScratch(folder);
  }
}

async function measure(folder: string, named: string | undefined, repeats: number): Promise<BenchTable[]> {
  const threads = availableParallelism();
  const report = await quantizationReport(folder, Object.keys(QUANTIZED_FORMATS) as QuantizedName[], {
    threads,
    repeats,
    onNote: (sentence) => process.stderr.write(`${sentence}\n`),
  });
  const command = `myelin bench quantize${named === undefined ? '' : ` -c ${named}`} --repeats ${repeats}`;
  const what = named === undefined ? 'a full-size ACT' : basename(named);
  return [accuracyTable(report, command, what), latencyTable(report, command, what, threads, repeats)];
}

function accuracyTable(report: QuantizationReport, command: string, what: string): BenchTable {
  return {
    title: `Accuracy with quantised weights: ${what}`,
    command,
    columns: ['weights', 'max error', 'mean error', 'max error, % of the range'],
    rows: report.forms.map(({ format, error }) => [format, error.max, error.mean, 100 * error.maxShare]),
    notes: [
      `Actions beside those of the weights as they are, ${report.observations} seeded observations, the same noise.`,
      'Errors in the units of the actions; the range is what an axis spans in the exact actions. Random weights say nothing of skill.',
    ],
  };
}

function latencyTable(
  { exact, forms }: QuantizationReport,
  command: string,
  what: string,
  threads: number,
  repeats: number,
): BenchTable {
  const rows = [{ format: 'as they are', measured: exact }, ...forms];
  const stages = [...exact.stageMs.keys()];
  const ms = (value = Number.NaN) => Number(value.toPrecision(4));
  return {
    title: `Latency and memory with quantised weights: ${what}`,
    command,
    columns: ['weights', 'first action ms', 'peak MiB', ...stages.map((stage) => `${stage} ms`)],
    rows: rows.map(({ format, measured: { firstActionMs, peakBytes, stageMs } }) => [
      format,
      Math.round(firstActionMs),
      Math.round(peakBytes / 2 ** 20),
      ...stages.map((stage) => ms(stageMs.get(stage))),
    ]),
    notes: [
      `Medians of ${repeats} inferences on ${threads} thread(s), one form after the other, each in a process of its own.`,
      'First action: from opening, the quantised file made before. Peak: of the whole process.',
    ],
  };
}
