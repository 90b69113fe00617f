import type { ModelOptions } from '../model.ts';
import { openPolicy } from '../open-policy.ts';
import type { QuantizedName } from './format.ts';
import { measureForm } from './measure-form.ts';
import type { MeasuredForm } from './measure-protocol.ts';

export interface QuantizationReportOptions extends Omit<ModelOptions, 'quantize'> {
  /** Observations whose actions are compared. Default 4. */
  readonly observations?: number;
  /** Inferences that are timed, after those. Default 10. */
  readonly repeats?: number;
}

/** How far a checkpoint's actions move when its weights become whole numbers. */
export interface QuantizationError {
  /** Largest and mean difference between the actions, in the robot's units. */
  readonly max: number;
  readonly mean: number;
  /** Largest difference as a share of what its axis spans in the exact actions, worst axis. */
  readonly maxShare: number;
}

export interface QuantizationReport {
  readonly observations: number;
  readonly exact: MeasuredForm;
  readonly forms: readonly {
    readonly format: QuantizedName;
    readonly error: QuantizationError;
    readonly measured: MeasuredForm;
  }[];
}

const SEED = 1;

/**
 * Compares a checkpoint's actions with its weights as they are and in whole numbers, on the same seeded observations
 * and noise, each form in a process of its own, one after the other.
 * @throws MyelinError as `openPolicy` does
 */
export async function quantizationReport(
  path: string,
  formats: readonly QuantizedName[],
  { observations = 4, repeats = 10, onNote, ...model }: QuantizationReportOptions = {},
): Promise<QuantizationReport> {
  const request = { path, observations, repeats, seed: SEED };
  const exact = await measureForm({ ...request, model }, onNote);
  const forms: QuantizationReport['forms'][number][] = [];
  for (const quantize of formats) {
    // Makes the file, so that it is not counted.
    const whole = { ...model, quantize };
    await (await openPolicy(path, { ...whole, ...(onNote === undefined ? {} : { onNote }) })).close();
    const measured = await measureForm({ ...request, model: whole }, onNote);
    forms.push({ format: quantize, error: compare(exact, measured), measured });
  }
  return { observations, exact, forms };
}

function compare(exact: MeasuredForm, other: MeasuredForm): QuantizationError {
  const axes = Array.from({ length: exact.axes }, () => ({ least: Infinity, most: -Infinity, error: 0 }));
  let sum = 0;
  let count = 0;
  for (const [index, chunk] of exact.chunks.entries()) {
    for (const [i, value] of chunk.entries()) {
      const axis = axes[i % exact.axes];
      if (axis === undefined) continue;
      const error = Math.abs(value - (other.chunks[index]?.[i] ?? Number.NaN));
      axis.least = Math.min(axis.least, value);
      axis.most = Math.max(axis.most, value);
      axis.error = Math.max(axis.error, error);
      sum += error;
      count++;
    }
  }
  return {
    max: Math.max(...axes.map(({ error }) => error)),
    mean: sum / count,
    maxShare: Math.max(...axes.map(({ least, most, error }) => error / (most - least))),
  };
}
