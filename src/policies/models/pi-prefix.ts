import type { GenerateOptions } from '../model.ts';
import { positionsFrom, rotaryTable } from '../onnx/rotary.ts';
import type { Session } from '../onnx/session.ts';
import type { ModelInput, TensorValue } from '../onnx/session-protocol.ts';
import type { Batch, Picture } from '../processors/batch.ts';
import { resizeWithPad } from '../processors/resize-with-pad.ts';
import { cameraName, keyName, valueName } from './pi.ts';
import type { PiInterface } from './pi-config.ts';
import type { PiSizes } from './pi-sizes.ts';

/** Keys and values that the session's thread keeps under names with this in front. */
interface KeptTokens {
  readonly under: string;
  readonly tokens: number;
}

/** A prefix as inputs of the graphs that go on from it. */
export interface ReadPrefix {
  readonly tokens: number;
  readonly inputs: Readonly<Record<string, ModelInput>>;
}

type StageOptions = Pick<GenerateOptions, 'signal' | 'onStage'>;

/** Keys and values of what is seen and said, and of words the model went on with. */
const PROMPT = 'prompt ';
const CONTINUATION = 'continuation ';

/**
 * What a pi network sees and is told, read once: pictures to tokens, tokens to the keys and values of every layer,
 * all kept in the session's thread. A picture that did not change is not looked at again, a prompt over the same
 * pictures not read again, and words that go on from a prompt are added one by one.
 */
export class PiPrefix {
  readonly #session: Session;
  readonly #ports: PiInterface;
  readonly #sizes: PiSizes;
  /** The picture each camera's kept tokens are of, and how often it changed. */
  readonly #seen = new Map<number, { readonly picture: Picture; readonly version: number }>();
  #changes = 0;
  /** What the kept prompt is of, and the kept continuation's words. */
  #prompt: (KeptTokens & { readonly of: string }) | undefined;
  #continued: (KeptTokens & { readonly words: readonly number[] }) | undefined;
  /** A picture's buffer, moved to the thread and back. */
  #buffer: TensorValue | undefined;

  constructor(session: Session, ports: PiInterface, sizes: PiSizes) {
    this.#session = session;
    this.#ports = ports;
    this.#sizes = sizes;
  }

  /** Reads pictures, words and their continuation, as far as they are not read yet. */
  async read(batch: Batch, options: StageOptions): Promise<ReadPrefix> {
    const prompt = await this.#readPrompt(batch, options);
    const words = batch.tokens?.continuation ?? [];
    const kept = words.length === 0 ? prompt : await this.#continue(prompt, words, options);
    return { tokens: kept.tokens, inputs: this.#past(kept) };
  }

  /**
   * Goes on with the words, token by token, until a stop token or `maxSteps`.
   * @returns the tokens, without the stop token
   */
  async generate(batch: Batch, options: GenerateOptions): Promise<readonly number[]> {
    const { maxSteps, stopTokens, choose, onToken, onStage, signal } = options;
    let kept: KeptTokens = await this.#readPrompt(batch, options);
    this.#continued = undefined;
    const words: number[] = [];
    while (words.length < maxSteps) {
      const started = performance.now();
      const token = choose(await this.#logits(kept));
      if (stopTokens.includes(token)) break;
      words.push(token);
      onToken?.(token);
      if (words.length < maxSteps) kept = await this.#add(kept, words);
      onStage?.('decode token', performance.now() - started);
      signal?.throwIfAborted();
    }
    return words;
  }

  async #readPrompt(batch: Batch, { signal, onStage }: StageOptions): Promise<KeptTokens> {
    const { vision, language } = this.#sizes;
    const inputs: Record<string, ModelInput> = {};
    const versions: number[] = [];
    for (const [index, { feature }] of this.#ports.cameras.entries()) {
      const picture = batch.pictures.get(feature);
      inputs[cameraName(index)] = picture === undefined ? empty(language.width) : { kept: cameraName(index) };
      versions.push(picture === undefined ? 0 : await this.#look(index, picture, { signal, onStage }));
    }
    const ids = batch.tokens?.ids ?? [];
    const of = `${versions.join()}:${ids.join()}`;
    if (this.#prompt?.of === of) return this.#prompt;
    this.#prompt = this.#continued = undefined;
    const tokens = versions.filter((version) => version > 0).length * vision.positions + ids.length;
    const nothing = { under: '', tokens: 0 };
    const durationMs = await this.#run(nothing, { ...inputs, ids: idsValue(ids) }, tokens, PROMPT);
    onStage?.('prefix', durationMs);
    signal?.throwIfAborted();
    this.#prompt = { under: PROMPT, tokens, of };
    return this.#prompt;
  }

  /** Has the thread keep the tokens of a camera's picture; answers how many changes it is old, from 1. */
  async #look(index: number, picture: Picture, { signal, onStage }: StageOptions): Promise<number> {
    const seen = this.#seen.get(index);
    if (seen !== undefined && samePicture(seen.picture, picture)) return seen.version;
    this.#seen.delete(index);
    const { side } = this.#ports;
    const buffer = this.#buffer ?? { shape: [1, 3, side, side], data: new Float32Array(3 * side * side) };
    this.#buffer = undefined;
    const shade = { scale: 2, shift: -1, padding: -1 };
    const target = { width: side, height: side, place: 'centre', ...shade } as const;
    resizeWithPad(picture, target, buffer.data as Float32Array);
    const keep = { tokens: cameraName(index) };
    const { durationMs, inputs } = await this.#session.run('vision', { picture: buffer }, { keep });
    this.#buffer = inputs.picture;
    this.#changes += 1;
    this.#seen.set(index, { picture: copied(picture), version: this.#changes });
    onStage?.(`vision ${index + 1}`, durationMs);
    signal?.throwIfAborted();
    return this.#changes;
  }

  /** Adds words after the prompt, one by one, or only those that are not there yet. */
  async #continue(
    prompt: KeptTokens,
    words: readonly number[],
    { signal, onStage }: StageOptions,
  ): Promise<KeptTokens> {
    const done = this.#continued;
    const reused = done?.words.every((word, i) => word === words[i]) ? done : undefined;
    const started = performance.now();
    let kept: KeptTokens = reused ?? prompt;
    for (let count = (reused?.words.length ?? 0) + 1; count <= words.length; count++) {
      kept = await this.#add(kept, words.slice(0, count));
      signal?.throwIfAborted();
    }
    onStage?.('continuation', performance.now() - started);
    return kept;
  }

  /** Adds the last of these words, which sees all before it. */
  async #add(kept: KeptTokens, words: readonly number[]): Promise<KeptTokens> {
    const { language } = this.#sizes;
    const ids = idsValue(words.slice(-1));
    const blind = this.#ports.cameras.map((_, index) => [cameraName(index), empty(language.width)] as const);
    // A run that fails leaves half of the old and half of the new behind.
    this.#continued = undefined;
    await this.#run(kept, { ...Object.fromEntries(blind), ids }, 1, CONTINUATION);
    this.#continued = { under: CONTINUATION, tokens: kept.tokens + 1, words: [...words] };
    return this.#continued;
  }

  async #run(
    kept: KeptTokens,
    inputs: Readonly<Record<string, ModelInput>>,
    count: number,
    under: string,
  ): Promise<number> {
    const { layers, headWidth } = this.#sizes.language;
    const names = Array.from({ length: layers }, (_, layer) => [keyName(layer), valueName(layer)]).flat();
    const keep = Object.fromEntries([...names, 'last'].map((name) => [name, under + name]));
    const rotary = rotaryTable(positionsFrom(kept.tokens, count), headWidth);
    const all = { ...inputs, ...this.#past(kept), cos: rotary.cos, sin: rotary.sin };
    const { durationMs } = await this.#session.run('language', all, { keep });
    return durationMs;
  }

  async #logits(kept: KeptTokens): Promise<Float32Array> {
    const { layers, headWidth } = this.#sizes.language;
    const rotary = rotaryTable([kept.tokens - 1], headWidth);
    await this.#session.run(
      'finish',
      {
        last: { kept: `${kept.under}last` },
        keys: { kept: kept.under + keyName(layers - 1) },
        values: { kept: kept.under + valueName(layers - 1) },
        cos: rotary.cos,
        sin: rotary.sin,
      },
      { keep: { hidden: 'hidden' } },
    );
    const { outputs } = await this.#session.run(
      'logits',
      { hidden: { kept: 'hidden' } },
      { fetch: ['logits'] },
    );
    return outputs.logits?.data as Float32Array;
  }

  /** Kept keys and values as inputs of a graph that goes on from them. */
  #past({ under, tokens }: KeptTokens): Record<string, ModelInput> {
    const { layers, kvHeads, headWidth } = this.#sizes.language;
    const names = Array.from({ length: layers }, (_, layer) => [keyName(layer), valueName(layer)]).flat();
    return Object.fromEntries(
      names.map((name) => [
        `past_${name}`,
        tokens === 0 ? empty(kvHeads * headWidth) : { kept: under + name },
      ]),
    );
  }
}

const empty = (width: number): TensorValue => ({ shape: [0, width], data: new Float32Array(0) });

const idsValue = (ids: readonly number[]): TensorValue => ({
  shape: [ids.length],
  data: BigInt64Array.from(ids, BigInt),
});

/** A camera's ring may overwrite its frame; what was seen is compared with later. */
const copied = ({ frame, levels }: Picture): Picture => ({
  frame: { ...frame, rgb: frame.rgb.slice() },
  levels: levels.slice(),
});

const samePicture = (a: Picture, b: Picture): boolean =>
  a.frame.width === b.frame.width &&
  a.frame.height === b.frame.height &&
  Buffer.compare(a.frame.rgb, b.frame.rgb) === 0 &&
  a.levels.every((level, i) => level === b.levels[i]);
