import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../platform/entry.ts';
import { STATE } from '../../policies/features.ts';
import { actConfig } from '../../policies/models/act-config.ts';
import { diffusionConfig } from '../../policies/models/diffusion-config.ts';
import { pi05Config } from '../../policies/models/pi-full-size.ts';
import {
  SMOLVLA_FULL_SIZES,
  SMOLVLA_LANGUAGE_STEPS,
  smolVlaConfig,
} from '../../policies/models/smolvla-full-size.ts';
import { smolVlaStoredTensors } from '../../policies/models/smolvla-tensors.ts';
import { makeBatch } from '../../policies/processors/batch.ts';
import { Pipeline } from '../../policies/processors/pipeline.ts';
import type { QuantizedName } from '../../policies/quantize/format.ts';
import { createSeededCheckpoint } from '../../policies/seeded-checkpoint.ts';
import { streamOf, uniformAt } from '../../policies/seeded-tensor.ts';
import type { OwnSettings } from './contestant.ts';
import { SEED } from './policy.ts';

/** A model at its full size that both sides run. */
export interface Contest {
  readonly name: string;
  readonly title: string;
  /** LeRobot's side, in `tools/parity/`. */
  readonly script: string;
  /** Writes the checkpoint: seeded weights. */
  readonly create: (folder: string) => Promise<void>;
  readonly own: Omit<OwnSettings, 'checkpoint' | 'threads' | 'quantize'>;
  /** Forms of the weights that this side runs besides those in the file. */
  readonly quantized: readonly QuantizedName[];
  /** What LeRobot's side is sent for each inference. */
  readonly line?: string;
  /** Whether the two do not fit into memory together: then one runs after the other. */
  readonly apart?: boolean;
}

const TASK = 'pick up the cube';
const tokenizerOf = (fixtures: string) => join(packageRoot(), 'tools/parity/fixtures', fixtures, 'tokenizer');

/** ACT: 52 M weights, two cameras of 640x480. */
export const ACT: Contest = {
  name: 'act',
  title: 'ACT',
  script: 'time_act.py',
  create: (folder) => createSeededCheckpoint(folder, actConfig(), SEED),
  own: { task: '' },
  quantized: [],
};

/** SmolVLA: 450 M weights stored as bfloat16, two cameras of 640x480, ten denoising steps. */
export const SMOLVLA: Contest = {
  name: 'smolvla',
  title: 'SmolVLA',
  script: 'time_smolvla.py',
  create: async (folder) => {
    const config = smolVlaConfig();
    await createSeededCheckpoint(folder, config, SEED, {
      shapes: smolVlaStoredTensors(config, 'config.json', SMOLVLA_FULL_SIZES),
      storage: 'BF16',
      steps: SMOLVLA_LANGUAGE_STEPS,
    });
    await cp(tokenizerOf('smolvla'), join(folder, 'tokenizer'), { recursive: true });
  },
  own: {
    task: TASK,
    noise: { count: smolVlaConfig().chunk_size * smolVlaConfig().max_action_dim, reach: 2 },
  },
  quantized: ['int8'],
};

/** pi0.5: 3.35 G weights stored as bfloat16, two cameras of 640x480, ten denoising steps. */
export const PI05: Contest = {
  name: 'pi05',
  title: 'pi0.5',
  script: 'time_pi05.py',
  create: async (folder) => {
    const range = Array<number>(7).fill(1);
    const all = { q01: range.map((value) => -value), q99: range };
    await createSeededCheckpoint(folder, pi05Config(), SEED, {
      storage: 'BF16',
      // Quantiles of -1 and 1 leave numbers as they are.
      statistics: { [STATE]: all, action: all },
      steps: [
        { registry_name: 'relative_actions_processor', config: { enabled: false } },
        { registry_name: 'pi05_prepare_state_tokenizer_processor_step', config: { max_state_dim: 32 } },
        {
          registry_name: 'tokenizer_processor',
          config: { max_length: 200, task_key: 'task', padding_side: 'right', padding: 'max_length' },
          artifacts: { tokenizer_name: 'tokenizer' },
        },
      ],
    });
    await cp(tokenizerOf('pi'), join(folder, 'tokenizer'), { recursive: true });
  },
  own: { task: TASK, noise: { count: pi05Config().chunk_size * pi05Config().max_action_dim, reach: 2 } },
  quantized: ['int8'],
  apart: true,
};

const DDIM_STEPS = 10;

/** Diffusion: 290 M weights, two cameras of 640x480, ten steps of DDIM. */
export const DIFFUSION: Contest = {
  name: 'diffusion',
  title: 'Diffusion',
  script: 'time_diffusion.py',
  create: (folder) =>
    createSeededCheckpoint(
      folder,
      diffusionConfig({ noise_scheduler_type: 'DDIM', num_inference_steps: DDIM_STEPS }),
      SEED,
    ),
  own: { task: '', noise: { count: diffusionConfig().horizon * 7, reach: Math.sqrt(3) } },
  quantized: [],
  line: String(DDIM_STEPS),
};

/** The words of the task, and of the bench's state where they tell it, as tokens; empty without a tokenizer. */
export async function taskTokens(folder: string, task: string): Promise<readonly number[]> {
  const pipeline = await Pipeline.open(join(folder, 'policy_preprocessor.json'));
  if (pipeline.tokenizer === undefined) return [];
  const stream = streamOf(SEED, `${STATE}@0`);
  const state = Float64Array.from({ length: 7 }, (_, i) => uniformAt(stream, i));
  const batch = makeBatch({ task, vectors: new Map([[STATE, state]]) });
  pipeline.apply(batch);
  return batch.tokens?.ids ?? [];
}
