import { existsSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { readJson } from '../read-json.ts';

const FILE = 'tokenizer.json';
const SETTINGS = 'tokenizer_config.json';

const tokenizerSchema = z.looseObject({
  model: z.looseObject({}),
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).default([]),
});
const settingsSchema = z.looseObject({ truncation_side: z.enum(['left', 'right']).optional() });

/** Words to numbers and back, as `tokenizer.json` says. */
export class Tokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  /** Which end is cut off when a text is too long. */
  readonly #truncationSide: 'left' | 'right';

  private constructor(tokenizer: HuggingFaceTokenizer, truncationSide: 'left' | 'right') {
    this.#tokenizer = tokenizer;
    this.#truncationSide = truncationSide;
  }

  /**
   * Reads `tokenizer.json` of a folder, and `tokenizer_config.json` where there is one.
   * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID
   */
  static async open(folder: string): Promise<Tokenizer> {
    const file = join(folder, FILE);
    const description = await readJson(file, tokenizerSchema);
    const settings = existsSync(join(folder, SETTINGS))
      ? await readJson(join(folder, SETTINGS), settingsSchema)
      : {};
    try {
      const tokenizer = new HuggingFaceTokenizer(description, settings);
      // Broken parts show when something is read, not before.
      tokenizer.encode('a');
      return new Tokenizer(tokenizer, settings.truncation_side ?? 'right');
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new MyelinError('CONFIG_INVALID', { file, detail }, { cause });
    }
  }

  /**
   * Numbers of a text, special tokens of the tokenizer's template included, no padding.
   * @param maxLength the text is cut so that there are no more; special tokens stay
   */
  encode(text: string, maxLength = Number.POSITIVE_INFINITY): number[] {
    const whole: number[] = this.#tokenizer.encode(text).ids;
    if (whole.length <= maxLength) return whole;
    const words: number[] = this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
    const specials = whole.length - words.length;
    const before = Array.from({ length: specials + 1 }, (_, k) => k).find((k) =>
      words.every((id, i) => whole[k + i] === id),
    );
    const room = Math.max(0, maxLength - specials);
    const cut = this.#truncationSide === 'right' ? words.slice(0, room) : words.slice(words.length - room);
    const k = before ?? 0;
    return [...whole.slice(0, k), ...cut, ...whole.slice(k + words.length)].slice(0, maxLength);
  }

  /** Numbers of a text that goes on from another: no special tokens around it. */
  encodeWords(text: string): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  /** The text of these numbers, special tokens left out. */
  decode(ids: readonly number[]): string {
    if (ids.length === 0) return '';
    return this.#tokenizer.decode([...ids], { skip_special_tokens: true });
  }

  /** Number of one token, by its text; undefined when there is none. */
  idOf(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }
}

/**
 * The tokenizer a checkpoint reads words with: from the checkpoint itself (`tokenizer/` or beside its other files),
 * or else from the local Hugging Face cache, where the trainer's own tools put it.
 * @param name as the checkpoint names it: a Hub id
 * @param artifact folder inside the checkpoint, when it says so itself
 * @throws MyelinError TOKENIZER_MISSING, FILE_NOT_FOUND, CONFIG_INVALID
 */
export async function openTokenizer(folder: string, name: string, artifact?: string): Promise<Tokenizer> {
  const inside = [artifact, 'tokenizer', '.'].filter((each) => each !== undefined && isInside(each));
  const places = [...inside.map((each) => join(folder, each ?? '')), ...cachedSnapshots(name)];
  const found = places.find((place) => existsSync(join(place, FILE)));
  if (found === undefined) {
    throw new MyelinError('TOKENIZER_MISSING', { folder, name, target: join(folder, 'tokenizer') });
  }
  return Tokenizer.open(found);
}

/** Nothing outside its own folder is read because a checkpoint says so. */
const isInside = (path: string): boolean => /^(?:[\w-][\w.-]*\/?)+$|^\.$/.test(path);

/** Folders of the local Hugging Face cache that may hold a repository's files. */
function cachedSnapshots(name: string): string[] {
  if (!/^[\w.-]+\/[\w.-]+$/.test(name)) return [];
  const { HF_HUB_CACHE, HF_HOME } = process.env;
  const hub = HF_HUB_CACHE ?? join(HF_HOME ?? join(homedir(), '.cache', 'huggingface'), 'hub');
  const snapshots = join(hub, `models--${name.replaceAll('/', '--')}`, 'snapshots');
  if (!existsSync(snapshots)) return [];
  return readdirSync(snapshots)
    .map((revision) => join(snapshots, revision))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
}
