import { MyelinError } from '../../core/errors.ts';
import type { TensorShapes } from './kind.ts';
import type { SmolVlaConfig } from './smolvla-config.ts';

/** A transformer's sizes. */
export interface TransformerSizes {
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
}

/** Sizes of the networks in a SmolVLA checkpoint. */
export interface SmolVlaSizes {
  readonly vision: TransformerSizes & {
    readonly heads: number;
    /** Side of a patch, pixels. */
    readonly patch: number;
    readonly positions: number;
  };
  /** Patches joined into one token along each side. */
  readonly shuffle: number;
  readonly text: TransformerSizes & { readonly vocabulary: number };
  readonly expert: TransformerSizes;
  /** Of both transformers. */
  readonly heads: number;
  readonly kvHeads: number;
}

/** Width of a head of SmolLM2 (Ben Allal et al. 2025, arXiv 2502.02737), the same in every size. */
export const HEAD_WIDTH = 64;

/** SigLIP's heads are 64 wide, but for So400m with its 16 heads of 72 (Alabdulmohsin et al. 2023, arXiv 2305.13035). */
const visionHeads = (width: number): number => (width === 1152 ? 16 : width / 64);

export const MODEL = 'model.';
export const VLM = `${MODEL}vlm_with_expert.vlm.model.`;
export const EXPERT = `${MODEL}vlm_with_expert.lm_expert.`;

/**
 * The sizes that no configuration names, read off the weights.
 * @throws MyelinError TENSOR_INVALID when a tensor that tells a size is absent or contradicts another
 */
export function smolVlaSizes(config: SmolVlaConfig, file: string, found: TensorShapes): SmolVlaSizes {
  const wrong = (tensor: string, detail: string) =>
    new MyelinError('TENSOR_INVALID', { file, tensor, detail });
  const shapeOf = (tensor: string, rank: number): readonly number[] => {
    const shape = found.get(tensor);
    if (shape === undefined) throw wrong(tensor, 'it is missing, and the sizes of the model are told by it');
    if (shape.length !== rank) throw wrong(tensor, `expected ${rank} extents, found [${shape.join(', ')}]`);
    return shape;
  };
  const matrix = (tensor: string): readonly [number, number] => {
    const [rows = 0, columns = 0] = shapeOf(tensor, 2);
    return [rows, columns];
  };
  const whole = (tensor: string, value: number, meaning: string): number => {
    if (Number.isInteger(value) && value > 0) return value;
    throw wrong(tensor, `its shape [${found.get(tensor)?.join(', ')}] makes ${value} ${meaning}`);
  };
  const layers = (prefix: string): number => {
    const indices = [...found.keys()].flatMap((name) => {
      const digits = name.startsWith(prefix) ? /^\d+/.exec(name.slice(prefix.length)) : null;
      return digits === null ? [] : [Number(digits[0])];
    });
    return Math.max(-1, ...indices) + 1;
  };

  const patches = `${VLM}vision_model.embeddings.patch_embedding.weight`;
  const [visionWidth = 0, , patch = 0] = shapeOf(patches, 4);
  const [positions] = matrix(`${VLM}vision_model.embeddings.position_embedding.weight`);
  const [visionHidden] = matrix(`${VLM}vision_model.encoder.layers.0.mlp.fc1.weight`);
  const connector = `${VLM}connector.modality_projection.proj.weight`;
  const [, shuffled] = matrix(connector);
  const [vocabulary, textWidth] = matrix(`${VLM}text_model.embed_tokens.weight`);
  const queries = `${VLM}text_model.layers.0.self_attn.q_proj.weight`;
  const keys = `${VLM}text_model.layers.0.self_attn.k_proj.weight`;
  const [textHidden] = matrix(`${VLM}text_model.layers.0.mlp.gate_proj.weight`);
  const [expertWidth] = matrix(`${MODEL}action_in_proj.weight`);
  const [expertHidden] = matrix(`${EXPERT}layers.0.mlp.gate_proj.weight`);
  const heads = whole(queries, matrix(queries)[0] / HEAD_WIDTH, `heads of ${HEAD_WIDTH}`);
  const kvHeads = whole(keys, matrix(keys)[0] / HEAD_WIDTH, `heads of ${HEAD_WIDTH}`);
  whole(keys, heads / kvHeads, 'query heads for each');
  const sizes: SmolVlaSizes = {
    vision: {
      width: visionWidth,
      hidden: visionHidden,
      layers: layers(`${VLM}vision_model.encoder.layers.`),
      heads: whole(patches, visionHeads(visionWidth), 'heads'),
      patch,
      positions,
    },
    shuffle: whole(connector, Math.sqrt(shuffled / visionWidth), 'patches a side'),
    text: { width: textWidth, hidden: textHidden, layers: layers(`${VLM}text_model.layers.`), vocabulary },
    expert: { width: expertWidth, hidden: expertHidden, layers: layers(`${EXPERT}layers.`) },
    heads,
    kvHeads,
  };
  checkAgainst(config, sizes, wrong);
  return sizes;
}

/** What the configuration does name must agree. */
function checkAgainst(
  config: SmolVlaConfig,
  { text, expert }: SmolVlaSizes,
  wrong: (tensor: string, detail: string) => MyelinError,
): void {
  const width = Math.trunc(text.width * config.expert_width_multiplier);
  if (expert.width !== width) {
    const detail = `expert_width_multiplier ${config.expert_width_multiplier} makes a width of ${width}, not ${expert.width}`;
    throw wrong(`${MODEL}action_in_proj.weight`, detail);
  }
  if (config.num_vlm_layers > 0 && text.layers !== config.num_vlm_layers) {
    const detail = `num_vlm_layers is ${config.num_vlm_layers}, the weights hold ${text.layers}`;
    throw wrong(`${VLM}text_model.layers`, detail);
  }
  const layers = config.num_expert_layers > 0 ? config.num_expert_layers : text.layers;
  if (expert.layers !== layers) {
    throw wrong(`${EXPERT}layers`, `the configuration makes ${layers}, the weights hold ${expert.layers}`);
  }
}
