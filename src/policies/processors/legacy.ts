import type { Feature, NormMode } from '../features.ts';
import { readTensor, type TensorFile } from '../safetensors.ts';
import { type FeatureStatistics, Normalizer } from './normalizer.ts';
import { Pipeline } from './pipeline.ts';

/** Before processor files, statistics were buffers in the model's own file, dots in feature names written as `_`. */
const BUFFER = /^(?:normalize_inputs|normalize_targets|unnormalize_outputs)\.buffer_(.+)\.(\w+)$/;

export const isLegacyBuffer = (tensor: string): boolean => BUFFER.test(tensor);

/** The pre- and post-processor that an old checkpoint's buffers stand for. */
export async function legacyPipelines(
  file: TensorFile,
  features: ReadonlyMap<string, Feature>,
  modes: ReadonlyMap<string, NormMode>,
): Promise<{ before: Pipeline; after: Pipeline }> {
  const byBuffer = new Map([...features.keys()].map((name) => [name.replaceAll('.', '_'), name]));
  const statistics = new Map<string, Map<string, Float64Array>>();
  for (const tensor of file.tensors.values()) {
    const [, buffer = '', statistic = ''] = BUFFER.exec(tensor.name) ?? [];
    const feature = byBuffer.get(buffer);
    if (feature === undefined) continue;
    const known = statistics.get(feature) ?? new Map<string, Float64Array>();
    statistics.set(feature, known.set(statistic, await readTensor(tensor)));
  }
  const normalizer = new Normalizer({
    features,
    modes,
    statistics: statistics as ReadonlyMap<string, FeatureStatistics>,
    epsilon: 1e-8,
    file: file.path,
  });
  return {
    before: new Pipeline([{ name: 'normalize', apply: (batch) => normalizer.forward(batch) }]),
    after: new Pipeline([{ name: 'unnormalize', apply: (batch) => normalizer.backward(batch) }]),
  };
}
