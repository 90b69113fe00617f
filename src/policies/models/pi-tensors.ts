import type { TensorSource } from '../onnx/weights.ts';
import type { QuantizedMatrix, TensorEntry } from '../safetensors.ts';
import type { TensorShapes } from './kind.ts';

/**
 * Names of a pi0 or pi05 network's tensors. The networks here use the newest ones, without LeRobot's `model.` in
 * front; files differ by release.
 */
export const VISION = 'paligemma_with_expert.paligemma.model.vision_tower.';
export const PROJECTOR = 'paligemma_with_expert.paligemma.model.multi_modal_projector.linear.';
export const LANGUAGE = 'paligemma_with_expert.paligemma.model.language_model.';
export const EXPERT = 'paligemma_with_expert.gemma_expert.model.';

const LANGUAGE_HEAD = 'paligemma_with_expert.paligemma.lm_head.weight';
const EXPERT_HEAD = 'paligemma_with_expert.gemma_expert.lm_head.weight';

/** A network's name for a tensor to the file's. */
export type FindName = (name: string) => string;

/** Other names a tensor goes by: a level that came and went, a tied weight kept once, a rename between models. */
function otherNames(name: string): readonly string[] {
  if (name.startsWith(VISION)) return [name.replace(VISION, `${VISION}vision_model.`)];
  if (name === `${LANGUAGE}embed_tokens.weight`) return [LANGUAGE_HEAD];
  if (name.startsWith('time_mlp_')) return [`action_${name}`];
  if (name.startsWith('action_time_mlp_')) return [name.slice('action_'.length)];
  return [];
}

/** How to find tensors in a file that holds these. A name that nothing goes by is answered as LeRobot writes it. */
export function tensorNames(found: { has(name: string): boolean }): FindName {
  return (name) => {
    const candidates = [name, ...otherNames(name)].flatMap((each) => [`model.${each}`, each]);
    return candidates.find((candidate) => found.has(candidate)) ?? `model.${name}`;
  };
}

/** A file's name without the levels that come and go. */
export const canonicalName = (name: string): string =>
  name.replace(/^model\./, '').replace(`${VISION}vision_model.`, VISION);

/** Tensors of a file by the network's names. */
export class PiTensors implements TensorSource {
  readonly #source: TensorSource;
  readonly #nameOf: FindName;

  constructor(source: TensorSource, found: { has(name: string): boolean }) {
    this.#source = source;
    this.#nameOf = tensorNames(found);
  }

  find(name: string, shape: readonly number[]): TensorEntry {
    return this.#source.find(this.#nameOf(name), shape);
  }

  quantized(name: string, shape: readonly number[]): QuantizedMatrix | undefined {
    return this.#source.quantized?.(this.#nameOf(name), shape);
  }
}

/** Tensors that releases carry and acting does not read: heads of the language model, weights of the other model. */
export function unusedTensors(used: TensorShapes, found: TensorShapes): Map<string, readonly number[]> {
  const known = [
    LANGUAGE_HEAD,
    EXPERT_HEAD,
    `${LANGUAGE}embed_tokens.weight`,
    `${LANGUAGE}norm.weight`,
    'state_proj.weight',
    'state_proj.bias',
  ].flatMap((name) => [name, `model.${name}`]);
  const unused = [...found].filter(([name]) => !used.has(name));
  return new Map(unused.filter(([name]) => known.includes(name) || name.includes('.language_model.layers.')));
}
