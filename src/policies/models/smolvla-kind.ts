import { newLineStep, tokenizerStep } from '../processors/language.ts';
import type { ModelKind, TensorShapes } from './kind.ts';
import { type SmolVlaConfig, smolVlaConfigSchema, smolVlaInterface } from './smolvla-config.ts';
import { SmolVlaModel } from './smolvla-model.ts';
import { smolVlaSizes } from './smolvla-sizes.ts';
import { smolVlaInventory, smolVlaStoredTensors } from './smolvla-tensors.ts';

const inventory = (config: SmolVlaConfig, file: string, found: TensorShapes) =>
  smolVlaInventory(config, file, smolVlaSizes(config, file, found));

/** SmolVLA. */
export const smolVlaKind: ModelKind<SmolVlaConfig> = {
  type: 'smolvla',
  schema: smolVlaConfigSchema,
  describe(config, file) {
    smolVlaInterface(config, file);
    return {
      inputs: config.input_features,
      outputs: config.output_features,
      normalization: config.normalization_mapping,
      chunkRows: config.chunk_size,
      actionSteps: config.n_action_steps,
    };
  },
  tensors: (config, file, found) => inventory(config, file, found).shapes,
  matrices: (config, file, found) => inventory(config, file, found).matrices,
  trainingTensors(config, file, found) {
    const acting = inventory(config, file, found).shapes;
    const stored = smolVlaStoredTensors(config, file, smolVlaSizes(config, file, found));
    return new Map([...stored].filter(([name]) => !acting.has(name)));
  },
  legacySteps: async ({ config, configFile }) => [
    await newLineStep(),
    await tokenizerStep(
      { config: { tokenizer_name: config.vlm_model_name, max_length: config.tokenizer_max_length } },
      configFile,
    ),
  ],
  open: (checkpoint, options) => SmolVlaModel.open(checkpoint, options),
};
