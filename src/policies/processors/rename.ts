import { z } from 'zod';
import { checkedSettings, type ProcessorStep, type StepDescription } from './step.ts';

const settingsSchema = z.looseObject({ rename_map: z.record(z.string(), z.string()).default({}) });

/** `rename_observations_processor`: a recording's feature names to the policy's. */
export function renameStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const { rename_map: map } = checkedSettings(settingsSchema, description.config, file);
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
