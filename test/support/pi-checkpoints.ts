import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Observation } from '../../src/core/observation.ts';
import { STATE } from '../../src/policies/features.ts';
import { writeSafetensors } from '../../src/policies/safetensors-writer.ts';
import { seededTensor } from '../../src/policies/seeded-tensor.ts';
import { seededFrame, seededVector } from './parity.ts';

export const FIXTURES = fileURLToPath(new URL('../../tools/parity/fixtures/pi', import.meta.url));

export interface Run {
  readonly task: string;
  readonly step: number;
  readonly absent?: readonly string[];
  readonly flow_steps?: number;
  readonly chunk?: {
    readonly mode: 'guided' | 'trained';
    readonly rows: number;
    readonly delay: number;
    readonly horizon: number;
  };
  readonly prompt?: string;
  readonly steps?: number;
  readonly cue?: string;
  readonly expected: {
    readonly ids?: readonly number[];
    readonly prompt_ids?: readonly number[];
    readonly tokens?: readonly number[];
    readonly text?: string;
    readonly chunk?: readonly (readonly number[])[];
  };
}

export interface Reference {
  readonly seed: number;
  readonly dtype: 'float32' | 'bfloat16';
  readonly runs: readonly Run[];
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

export interface Config {
  readonly type: 'pi0' | 'pi05';
  readonly chunk_size: number;
  readonly max_action_dim: number;
  readonly input_features: Readonly<Record<string, { readonly type: string; readonly shape: number[] }>>;
  readonly output_features: Readonly<Record<string, { readonly shape: number[] }>>;
}

export const read = <T>(...path: string[]): T => JSON.parse(readFileSync(join(FIXTURES, ...path), 'utf8'));

/** How a release stores what the network reads. */
export interface Layout {
  readonly nameOf: (name: string) => string | undefined;
}

/** The names seeds go by; see `canonical` in make_pi.py. */
const canonical = (name: string) =>
  name
    .replace('vision_tower.vision_model.', 'vision_tower.')
    .replace('paligemma.lm_head.weight', 'paligemma.model.language_model.embed_tokens.weight');

export const LAYOUTS: Readonly<Record<string, Layout>> = {
  'as saved: embedding tied to the head, kept once': {
    nameOf: (name) => (name.endsWith('.embed_tokens.weight') ? undefined : name),
  },
  'newer transformers, embedding only': {
    nameOf: (name) =>
      name.includes('lm_head') ? undefined : name.replace('vision_tower.vision_model.', 'vision_tower.'),
  },
  'openpi: nothing in front': {
    nameOf: (name) => name.replace(/^model\./, ''),
  },
};

/** A fixture's folder with its weights made again. */
export async function piCheckpoint(
  root: string,
  name: string,
  layout = Object.values(LAYOUTS)[0] as Layout,
): Promise<string> {
  const folder = join(root, name);
  cpSync(join(FIXTURES, name), folder, { recursive: true });
  cpSync(join(FIXTURES, 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
  const { seed, dtype } = read<Reference>(name, 'reference.json');
  const { type } = read<Config>(name, 'config.json');
  const { tensors } = read<Reference>(`${type}-two-cameras`, 'reference.json');
  const written = Object.entries(tensors).flatMap(([saved, shape]) => {
    const stored = layout.nameOf(saved);
    const values = () => seededTensor(seed, canonical(saved), shape);
    return stored === undefined
      ? []
      : [{ name: stored, shape, values, type: dtype === 'bfloat16' ? ('BF16' as const) : ('F32' as const) }];
  });
  await writeSafetensors(join(folder, 'model.safetensors'), written);
  return folder;
}

export function observe(seed: number, config: Config, run: Run): Observation {
  const cameras = Object.entries(config.input_features).filter(
    ([name, { type }]) => type === 'VISUAL' && !name.includes('empty_camera') && !run.absent?.includes(name),
  );
  const frames = cameras.map(([feature, { shape }]) => {
    const [, height = 0, width = 0] = shape;
    return seededFrame(seed, { feature, width, height }, run.step);
  });
  const stateLength = config.input_features[STATE]?.shape[0] ?? 0;
  return {
    timestep: run.step,
    timestampNs: run.step,
    state: seededVector(seed, `${STATE}@${run.step}`, stateLength),
    velocity: new Float64Array(0),
    cameras: new Map(frames.map((frame) => [frame.name, frame])),
    task: run.task,
    objects: new Map(),
  };
}

export const noiseOf = (seed: number, config: Config, run: Run) =>
  Float32Array.from(seededVector(seed, `noise@${run.step}`, config.chunk_size * config.max_action_dim, 2));
