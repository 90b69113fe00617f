import { dirname, join } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { featureSchema, normModeSchema } from '../features.ts';
import { readJson } from '../read-json.ts';
import { openSafetensors, readTensor, type TensorFile } from '../safetensors.ts';
import type { Batch } from './batch.ts';
import { type FeatureStatistics, Normalizer } from './normalizer.ts';

/** One step of a processor pipeline. It changes the batch in place. */
export interface ProcessorStep {
  readonly name: string;
  apply(batch: Batch): void;
  /** Name a feature had before this step, for steps that rename. */
  sourceOf?(feature: string): string;
}

const stepSchema = z.looseObject({
  registry_name: z.string().optional(),
  class: z.string().optional(),
  config: z.record(z.string(), z.unknown()).default({}),
  state_file: z.string().optional(),
});
const pipelineSchema = z.looseObject({ name: z.string(), steps: z.array(stepSchema).max(64) });
type StepDescription = z.infer<typeof stepSchema>;
type MakeStep = (description: StepDescription, file: string) => Promise<ProcessorStep>;

const nothing = (): Promise<ProcessorStep> => Promise.resolve({ name: 'nothing', apply: () => undefined });

/** The steps that are known, by LeRobot's registry names. A new one is one more row. */
const STEPS: Readonly<Record<string, MakeStep>> = {
  rename_observations_processor: renameStep,
  to_batch_processor: nothing,
  device_processor: nothing,
  normalizer_processor: async (description, file) => {
    const normalizer = await normalizerOf(description, file);
    return { name: 'normalize', apply: (batch) => normalizer.forward(batch) };
  },
  unnormalizer_processor: async (description, file) => {
    const normalizer = await normalizerOf(description, file);
    return { name: 'unnormalize', apply: (batch) => normalizer.backward(batch) };
  },
};

/** Processor steps in order, as a checkpoint's JSON lists them. */
export class Pipeline {
  readonly steps: readonly ProcessorStep[];

  constructor(steps: readonly ProcessorStep[]) {
    this.steps = steps;
  }

  /**
   * Reads `policy_preprocessor.json` or `policy_postprocessor.json` and the state files beside it.
   * @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED for a step that is not known
   */
  static async open(file: string): Promise<Pipeline> {
    const { steps } = await readJson(file, pipelineSchema);
    const made: ProcessorStep[] = [];
    for (const step of steps) {
      const name = step.registry_name ?? step.class ?? 'a step without a name';
      const make = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
      if (make === undefined) {
        throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
          file,
          feature: `the processor step "${name}"`,
          advice: `Known steps: ${Object.keys(STEPS).join(', ')}. Skipping one would change the actions.`,
        });
      }
      made.push(await make(step, file));
    }
    return new Pipeline(made);
  }

  apply(batch: Batch): void {
    for (const step of this.steps) step.apply(batch);
  }

  /** What an observation must call the feature that the model knows by this name. */
  sourceOf(feature: string): string {
    return this.steps.reduceRight((name, step) => step.sourceOf?.(name) ?? name, feature);
  }
}

const renameSchema = z.looseObject({ rename_map: z.record(z.string(), z.string()).default({}) });

function renameStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const { rename_map: map } = checked(renameSchema, description.config, file);
  const renames = Object.entries(map);
  return Promise.resolve({
    name: 'rename',
    apply: ({ vectors, pictures }) => {
      for (const features of [vectors, pictures] as Map<string, unknown>[]) {
        const entries = [...features];
        features.clear();
        for (const [name, value] of entries)
          features.set(Object.hasOwn(map, name) ? (map[name] ?? name) : name, value);
      }
    },
    sourceOf: (feature) => renames.find(([, to]) => to === feature)?.[0] ?? feature,
  });
}

const normalizerSchema = z.looseObject({
  eps: z.number().positive().default(1e-8),
  features: z.record(z.string(), featureSchema),
  norm_map: z.record(z.string(), normModeSchema),
  normalize_observation_keys: z.array(z.string()).nullable().optional(),
});

async function normalizerOf(description: StepDescription, file: string): Promise<Normalizer> {
  const config = checked(normalizerSchema, description.config, file);
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
    statistics.set(feature, known.set(tensor.name.slice(dot + 1), await readTensor(file, tensor)));
  }
  return statistics;
}

function checked<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new MyelinError('CONFIG_INVALID', { file, detail: `${issue?.path.join('.')}: ${issue?.message}` });
}
