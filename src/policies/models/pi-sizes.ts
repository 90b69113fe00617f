import { MyelinError } from '../../core/errors.ts';
import type { TensorShapes } from './kind.ts';
import type { PiConfig } from './pi-config.ts';
import { canonicalName, EXPERT, LANGUAGE, PROJECTOR, tensorNames, VISION } from './pi-tensors.ts';

/** A Gemma transformer. */
export interface GemmaSize {
  readonly width: number;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
}

export interface SiglipSize {
  readonly width: number;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly patch: number;
  readonly positions: number;
}

export interface PiSizes {
  readonly vision: SiglipSize;
  readonly language: GemmaSize;
  readonly expert: GemmaSize;
  readonly vocabulary: number;
}

/** Multi-query attention in every published size: eight query heads share one head of keys and values. */
const HEADS = { heads: 8, kvHeads: 1 };

/** Gemma by the names that configurations use (Gemma Team 2024, arXiv 2403.08295; the smaller one is pi0's own). */
const GEMMA: Readonly<Record<PiConfig['paligemma_variant'], GemmaSize>> = {
  gemma_2b: { width: 2048, layers: 18, hidden: 16_384, headWidth: 256, ...HEADS },
  gemma_300m: { width: 1024, layers: 18, hidden: 4096, headWidth: 256, ...HEADS },
};

/** SigLIP So400m/14 (Alabdulmohsin et al. 2023, arXiv 2305.13035). */
const SO400M = { width: 1152, layers: 27, hidden: 4304, heads: 16, patch: 14 };

const PALIGEMMA_VOCABULARY = 257_152;

const MAX_LAYERS = 256;

/**
 * Sizes as the tensors have them; where a tensor is absent, as the configuration names them. Heads cannot be told
 * from shapes and are those of the named size.
 * @param file of the weights, for errors
 * @throws MyelinError CHECKPOINT_INVALID when the parts do not fit each other
 */
export function piSizes(config: PiConfig, found: TensorShapes, file: string): PiSizes {
  const nameOf = tensorNames(found);
  const extent = (name: string, axis: number) => found.get(nameOf(name))?.[axis];
  const gemma = (prefix: string, named: GemmaSize, width: number | undefined): GemmaSize => ({
    ...named,
    width: width ?? named.width,
    layers: layerCount(`${prefix}layers.`, found) ?? named.layers,
    hidden: extent(`${prefix}layers.0.mlp.gate_proj.weight`, 0) ?? named.hidden,
    headWidth: (extent(`${prefix}layers.0.self_attn.k_proj.weight`, 0) ?? named.headWidth) / named.kvHeads,
  });
  const patch = extent(`${VISION}embeddings.patch_embedding.weight`, 2) ?? SO400M.patch;
  const sizes = {
    vision: {
      width: extent(`${VISION}embeddings.patch_embedding.weight`, 0) ?? SO400M.width,
      layers: layerCount(`${VISION}encoder.layers.`, found) ?? SO400M.layers,
      hidden: extent(`${VISION}encoder.layers.0.mlp.fc1.weight`, 0) ?? SO400M.hidden,
      heads: SO400M.heads,
      patch,
      positions: Math.floor(config.image_resolution[0] / patch) ** 2,
    },
    language: gemma(LANGUAGE, GEMMA[config.paligemma_variant], extent(`${PROJECTOR}weight`, 0)),
    expert: gemma(EXPERT, GEMMA[config.action_expert_variant], extent('action_in_proj.weight', 0)),
    vocabulary: extent(`${LANGUAGE}embed_tokens.weight`, 0) ?? PALIGEMMA_VOCABULARY,
  };
  const fault = misfit(sizes);
  if (fault !== undefined) throw new MyelinError('CHECKPOINT_INVALID', { file, detail: fault });
  return sizes;
}

/** Why no network has these sizes, or undefined when one has. */
function misfit({ vision, language, expert }: PiSizes): string | undefined {
  if (vision.width % vision.heads !== 0)
    return `the vision tower's ${vision.width} numbers are no multiple of its ${vision.heads} heads`;
  if (!(vision.positions > 0)) return `patches of ${vision.patch} pixels are larger than its pictures`;
  if (expert.layers !== language.layers)
    return `its expert has ${expert.layers} layers, its language model ${language.layers}`;
  if (expert.headWidth !== language.headWidth)
    return `its expert's heads are ${expert.headWidth} wide, its language model's ${language.headWidth}`;
  if (language.headWidth % 2 !== 0) return `its heads are ${language.headWidth} wide, which is odd`;
  if (expert.width % 2 !== 0) return `its expert is ${expert.width} wide, which is odd`;
  const layers = Math.max(vision.layers, language.layers);
  return layers > MAX_LAYERS ? `it has ${layers} layers` : undefined;
}

/** One more than the last layer that any tensor of the file is part of; undefined without any. */
function layerCount(prefix: string, found: TensorShapes): number | undefined {
  let last = -1;
  for (const name of found.keys()) {
    const own = canonicalName(name);
    if (own.startsWith(prefix)) last = Math.max(last, Number.parseInt(own.slice(prefix.length), 10) || 0);
  }
  return last < 0 ? undefined : last + 1;
}
