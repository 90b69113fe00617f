import { type OpenpiFacts, type PiType, piFeatures, piNormalization, tokenLength } from './openpi-config.ts';

/** Where the statistics lie: LeRobot numbers them by the step that reads them. */
export const stateFiles = (type: PiType) => ({
  before: `policy_preprocessor_step_${type === 'pi0' ? 6 : 3}_normalizer_processor.safetensors`,
  after: 'policy_postprocessor_step_0_unnormalizer_processor.safetensors',
});

const step = (registry_name: string, config: object = {}) => ({ registry_name, config });

/** The processor JSONs of a pi0 or pi05 checkpoint, in LeRobot's order of steps. */
export function piProcessors(facts: OpenpiFacts): ReadonlyMap<string, string> {
  const { input_features: inputs, output_features: outputs } = piFeatures(facts);
  const norm_map = piNormalization(facts.type);
  const files = stateFiles(facts.type);
  const scaling = (name: string, features: object, state_file: string) => ({
    ...step(name, { eps: 1e-8, features, norm_map }),
    state_file,
  });
  const begin = [step('rename_observations_processor', { rename_map: {} }), step('to_batch_processor')];
  const words = step('tokenizer_processor', {
    tokenizer_name: 'google/paligemma-3b-pt-224',
    max_length: tokenLength(facts.type),
    task_key: 'task',
    padding_side: 'right',
    padding: 'max_length',
    truncation: true,
  });
  const device = step('device_processor', { device: 'cpu', float_dtype: null });
  const normalize = scaling('normalizer_processor', { ...inputs, ...outputs }, files.before);
  // Off, but there: by this step LeRobot's readers know that the words hold the state at its own length.
  const relative = step('relative_actions_processor', {
    enabled: false,
    exclude_joints: ['gripper'],
    action_names: null,
  });
  const before =
    facts.type === 'pi0'
      ? [...begin, step('pi0_new_line_processor'), words, device, relative, normalize]
      : [
          ...begin,
          relative,
          normalize,
          step('pi05_prepare_state_tokenizer_processor_step', { max_state_dim: facts.paddedState }),
          words,
          device,
        ];
  const after = [
    scaling('unnormalizer_processor', outputs, files.after),
    step('absolute_actions_processor', { enabled: false }),
    device,
  ];
  const text = (name: string, steps: readonly object[]) => JSON.stringify({ name, steps }, undefined, 2);
  return new Map([
    ['policy_preprocessor.json', text('policy_preprocessor', before)],
    ['policy_postprocessor.json', text('policy_postprocessor', after)],
  ]);
}
