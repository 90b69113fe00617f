import { MyelinError } from '../../core/errors.ts';
import type { SmolVlaConfig } from './smolvla-config.ts';
import type { SmolVlaSizes } from './smolvla-sizes.ts';

/** Where an expert layer stands beside the language model's, and what it looks at. */
export interface ExpertLayer {
  readonly expert: number;
  /** Layer of the language model whose keys and values it sees. */
  readonly text: number;
  /**
   * `self`: the prefix's keys and values beside its own, each action seeing earlier ones only. `cross`: the prefix's
   * alone, through projections of its own.
   */
  readonly attention: 'self' | 'cross';
}

/**
 * How the action expert's layers stand beside the language model's: evenly spread when there are fewer, every
 * `self_attn_every_n_layers`-th one looking at itself too.
 * @throws MyelinError CHECKPOINT_UNSUPPORTED for arrangements that fail in training too
 */
export function expertLayers(config: SmolVlaConfig, sizes: SmolVlaSizes, file: string): ExpertLayer[] {
  const { text, expert } = sizes;
  const every = config.self_attn_every_n_layers;
  const crossing = config.attention_mode.includes('cross');
  const looksAtItself = (layer: number) => !crossing || (every > 0 && layer % every === 0);
  const unsupported = (why: string) =>
    new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file,
      feature: `${expert.layers} expert layers beside ${text.layers} with attention_mode "${config.attention_mode}" and self_attn_every_n_layers ${every}`,
      advice: `${why}; training refuses it too.`,
    });
  if (text.layers % expert.layers !== 0) throw unsupported('One must be a multiple of the other');
  const apart = text.layers / expert.layers;
  const layers: ExpertLayer[] = [];
  for (let layer = 0; layer < text.layers; layer++) {
    const attention = looksAtItself(layer) ? 'self' : 'cross';
    if (layer % apart !== 0) {
      if (attention === 'self') throw unsupported(`Layer ${layer} should look at itself, but has no expert`);
      continue;
    }
    const own = layer / apart;
    // The shapes of its projections follow its own number, what it does follows the language model's.
    if (looksAtItself(own) !== looksAtItself(layer))
      throw unsupported(`Expert layer ${own} does not fit layer ${layer}`);
    layers.push({ expert: own, text: layer, attention });
  }
  return layers;
}
