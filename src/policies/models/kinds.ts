import { actKind } from './act-model.ts';
import { diffusionKind } from './diffusion-model.ts';
import type { ModelKind } from './kind.ts';
import { pi0Kind, pi05Kind } from './pi-kind.ts';
import { smolVlaKind } from './smolvla-kind.ts';

/** Every model type that runs here. A new one is one more row. */
export const MODEL_KINDS: readonly ModelKind[] = [actKind, diffusionKind, smolVlaKind, pi0Kind, pi05Kind];

/** The kind of that `type` in config.json. */
export const modelKind = (type: string): ModelKind | undefined =>
  MODEL_KINDS.find((kind) => kind.type === type);
