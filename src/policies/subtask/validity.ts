/** What a subtask must look like to be acted on. */
export interface ValidityLimits {
  /** Characters. Default 160. */
  readonly maxLength?: number;
  /** Part of the characters that must be letters, digits or blanks, 0 to 1. Default 0.8. */
  readonly minWordCharacters?: number;
  /** Times in a row a word may come. Default 3. */
  readonly maxRepeats?: number;
}

/** Tokens for places, masks and future use: a language answer holds none. */
const SPECIAL = /<(?:loc\d+|seg\d+|unused\d+|pad|bos|eos|unk|mask|0x[0-9A-Fa-f]{2})>/;

/**
 * Why a decoded subtask should not be acted on, or undefined when it may be. Checkpoints that were not trained on
 * subtasks answer place tokens, repetition or noise; the caller keeps the subtask it had.
 */
export function subtaskFault(text: string, limits: ValidityLimits = {}): string | undefined {
  const { maxLength = 160, minWordCharacters = 0.8, maxRepeats = 3 } = limits;
  const clean = text.trim();
  if (clean === '') return 'it is empty';
  if (SPECIAL.test(clean)) return `it holds the token ${SPECIAL.exec(clean)?.[0]}`;
  if (clean.length > maxLength) return `it is longer than ${maxLength} characters`;
  if (/\p{Cc}|\ufffd/u.test(clean)) return 'it holds characters that no text has';
  if (!/\p{L}{2}/u.test(clean)) return 'it holds no word';
  const wordCharacters = clean.match(/[\p{L}\p{M}\p{N}\s]/gu)?.length ?? 0;
  if (wordCharacters < minWordCharacters * [...clean].length) return 'it is mostly signs';
  const words = clean.toLowerCase().split(/\s+/);
  const repeats = words.some((word, at) => {
    const next = words.slice(at, at + maxRepeats + 1);
    return next.length > maxRepeats && next.every((other) => other === word);
  });
  return repeats ? 'it repeats itself' : undefined;
}
