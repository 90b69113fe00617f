import { MyelinError } from '../../core/errors.ts';
import type { TensorValue } from '../onnx/session-protocol.ts';
import { openTokenizer } from '../processors/tokenizer.ts';

/** Tokens that stand around each picture when a checkpoint was trained with them. */
export interface ImageMarks {
  readonly around: number;
  readonly whole: number;
}

/** @throws MyelinError TOKENIZER_MISSING, CHECKPOINT_UNSUPPORTED */
export async function openImageMarks(folder: string, name: string): Promise<ImageMarks> {
  const tokenizer = await openTokenizer(folder, name);
  const need = (token: string): number => {
    const id = tokenizer.idOf(token);
    if (id !== undefined) return id;
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: folder,
      feature: `add_image_special_tokens with a tokenizer that lacks "${token}"`,
      advice: `Use the tokenizer of ${name}.`,
    });
  };
  return { around: need('<fake_token_around_image>'), whole: need('<global-img>') };
}

/** The prefix as the graph takes it. */
export interface PrefixLayout {
  /** Tokens it holds. */
  readonly tokens: number;
  /** Numbers of its words, marks included. */
  readonly ids: readonly number[];
  readonly inputs: Readonly<Record<string, TensorValue>>;
}

export interface PrefixParts {
  /** Tokens of each picture, [cells, width]. */
  readonly pictures: readonly Float32Array[];
  readonly width: number;
  readonly words: readonly number[];
  /** Camera slots without a picture: nothing of them is seen but their marks. */
  readonly emptySlots: number;
  readonly marks: ImageMarks | undefined;
}

/** Lays out pictures, words and state in the order of training, without what its masks hide. */
export function prefixLayout({ pictures, width, words, emptySlots, marks }: PrefixParts): PrefixLayout {
  const joined = new Float32Array(pictures.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const picture of pictures) {
    joined.set(picture, at);
    at += picture.length;
  }
  const cells = joined.length / width;
  const counts = pictures.map(({ length }) => length / width);
  const framed = marks === undefined ? undefined : framePictures(counts, emptySlots, marks, words.length);
  const ids = framed === undefined ? words : [...framed.ids, ...words];
  const tokens = cells + ids.length + 1;
  return {
    tokens,
    ids,
    inputs: {
      pictures: { shape: [cells, width], data: joined },
      ids: { shape: [ids.length], data: BigInt64Array.from(ids, BigInt) },
      mask: stateMask(tokens),
      ...(framed === undefined
        ? {}
        : {
            order: { shape: [tokens], data: BigInt64Array.from(framed.order, BigInt) },
            scale: {
              shape: [ids.length, 1],
              data: Float32Array.from(ids, (_, i) => (i < framed.ids.length ? 1 : Math.sqrt(width))),
            },
          }),
    },
  };
}

/** Marks around each slot, and where each token of the prefix lies in [cells, marks and words, state]. */
function framePictures(
  counts: readonly number[],
  emptySlots: number,
  { around, whole }: ImageMarks,
  words: number,
): { ids: number[]; order: number[] } {
  const cells = counts.reduce((sum, count) => sum + count, 0);
  const ids: number[] = [];
  const order: number[] = [];
  let cell = 0;
  const mark = (id: number) => order.push(cells + ids.push(id) - 1);
  for (const count of [...counts, ...Array<number>(emptySlots).fill(0)]) {
    mark(around);
    mark(whole);
    for (let i = 0; i < count; i++) order.push(cell++);
    mark(around);
  }
  for (let i = 0; i <= words; i++) order.push(cells + ids.length + i);
  return { ids, order };
}

/** Added to scores: only the last token, the state, sees the state. */
function stateMask(tokens: number): TensorValue {
  const data = new Float32Array(tokens * tokens);
  for (let row = 0; row < tokens - 1; row++) data[(row + 1) * tokens - 1] = Number.NEGATIVE_INFINITY;
  return { shape: [tokens, tokens], data };
}
