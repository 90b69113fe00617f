import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SmolVlaConfig, smolVlaConfigSchema } from '../../src/policies/models/smolvla-config.ts';
import type { SmolVlaSizes } from '../../src/policies/models/smolvla-sizes.ts';
import { smolVlaStoredTensors } from '../../src/policies/models/smolvla-tensors.ts';
import { writeSeededWeights } from '../../src/policies/seeded-checkpoint.ts';

export const SMOLVLA_FIXTURES = fileURLToPath(
  new URL('../../tools/parity/fixtures/smolvla', import.meta.url),
);
export const SMOLVLA_TOKENIZER = join(SMOLVLA_FIXTURES, 'tokenizer');

/** The small network of make_smolvla.py. */
export function tinySizes(config: SmolVlaConfig): SmolVlaSizes {
  const { num_vlm_layers: layers, num_expert_layers: own, expert_width_multiplier: share } = config;
  const width = Math.trunc(192 * share);
  const hidden = 256 * Math.ceil((4 * Math.trunc((2 * width) / 3)) / 256);
  return {
    vision: { width: 64, hidden: 96, layers: 2, heads: 1, patch: 8, positions: 16 },
    shuffle: 2,
    text: { width: 192, hidden: 96, layers, vocabulary: 340 },
    expert: { width, hidden, layers: own > 0 ? own : layers },
    heads: 3,
    kvHeads: 1,
  };
}

/** A fixture's configuration. */
export const smolVlaFixtureConfig = (name: string): SmolVlaConfig =>
  smolVlaConfigSchema.parse(JSON.parse(readFileSync(join(SMOLVLA_FIXTURES, name, 'config.json'), 'utf8')));

/** A fixture's folder with its weights made again. */
export async function smolVlaCheckpoint(root: string, name: string): Promise<string> {
  const folder = join(root, name);
  cpSync(join(SMOLVLA_FIXTURES, name), folder, { recursive: true });
  cpSync(SMOLVLA_TOKENIZER, join(folder, 'tokenizer'), { recursive: true });
  const config = smolVlaFixtureConfig(name);
  const { seed, dtype } = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8'));
  await writeSeededWeights(join(folder, 'model.safetensors'), config, seed, {
    shapes: smolVlaStoredTensors(config, 'config.json', tinySizes(config)),
    storage: dtype === 'bfloat16' ? 'BF16' : 'F32',
  });
  return folder;
}
