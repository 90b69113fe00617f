import { dirname, join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { featureSchema, normModeSchema } from '../features.ts';
import { openSafetensors, readTensor, type TensorFile } from '../safetensors.ts';
import { type FeatureStatistics, Normalizer } from './normalizer.ts';
import { checkedSettings, type ProcessorStep, type StepDescription } from './step.ts';

const settingsSchema = z.looseObject({
  eps: z.number().positive().default(1e-8),
  features: z.record(z.string(), featureSchema),
  norm_map: z.record(z.string(), normModeSchema),
  normalize_observation_keys: z.array(z.string()).nullable().optional(),
});

/** `normalizer_processor`: towards the model. */
export async function normalizerStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const normalizer = await readNormalizer(description, file);
  return { name: 'normalize', apply: (batch) => normalizer.forward(batch) };
}

/** `unnormalizer_processor`: back to the robot's units. */
export async function unnormalizerStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const normalizer = await readNormalizer(description, file);
  return { name: 'unnormalize', apply: (batch) => normalizer.backward(batch) };
}

async function readNormalizer(description: StepDescription, file: string): Promise<Normalizer> {
  const config = checkedSettings(settingsSchema, description.config, file);
  const state = description.state_file;
  if (state !== undefined && (state.includes('/') || state.includes('\\'))) {
    throw new MyelinError('CONFIG_INVALID', {
      file,
      detail: `state_file "${state}" must lie in the same folder`,
    });
  }
  const tensors = state === undefined ? undefined : await openSafetensors(join(dirname(file), state));
  return new Normalizer({
    features: new Map(Object.entries(config.features)),
    modes: new Map(Object.entries(config.norm_map)),
    statistics: tensors === undefined ? new Map() : await readStatistics(tensors),
    epsilon: config.eps,
    only: config.normalize_observation_keys ? new Set(config.normalize_observation_keys) : undefined,
    file: tensors?.path ?? file,
  });
}

/** A statistics file names its tensors `<feature>.<statistic>`; the feature may hold dots itself. */
async function readStatistics(file: TensorFile): Promise<Map<string, FeatureStatistics>> {
  const statistics = new Map<string, Map<string, Float64Array>>();
  for (const tensor of file.tensors.values()) {
    const dot = tensor.name.lastIndexOf('.');
    if (dot < 0 || !['F32', 'F64', 'F16', 'BF16'].includes(tensor.type)) continue;
    const feature = tensor.name.slice(0, dot);
    const known = statistics.get(feature) ?? new Map<string, Float64Array>();
    statistics.set(feature, known.set(tensor.name.slice(dot + 1), await readTensor(tensor)));
  }
  return statistics;
}
