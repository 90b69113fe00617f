import { MyelinError } from '../../core/errors.ts';

/** Shorter messages are parsed as they are, bytes. */
export const WORTH_LIFTING = 64 * 1024;
/** The key of the archive stands this near to the beginning, or the message is parsed as it is. */
export const LOOK_AT = 4096;
const KEY = /"(?:data|zip_data)"\s*:\s*"/;

/** Base64 that was left where it arrived; `slice` gives parts of it as text. */
export interface Lifted {
  readonly length: number;
  slice(from: number, to: number): string;
}

export const liftedText = (text: string): Lifted => ({
  length: text.length,
  slice: (from, to) => text.slice(from, to),
});

/** Text around the base64 of a message, and the base64. */
export interface LiftedMessage {
  readonly before: string;
  readonly after: string;
  readonly lifted: Lifted;
}

/** Where base64 begins in the beginning of a JSON message: behind this many characters. Undefined: nowhere. */
export function base64Start(beginning: string): number | undefined {
  const found = KEY.exec(beginning);
  return found === null ? undefined : found.index + found[0].length;
}

/**
 * Finds the base64 of an `update` in a long JSON message without parsing it: reading 100 MB as JSON would hold up
 * everybody for half a second. Undefined when the message does not look like one; then it is parsed as it is.
 */
export function liftBase64(message: string): LiftedMessage | undefined {
  if (message.length < WORTH_LIFTING) return undefined;
  const from = base64Start(message.slice(0, LOOK_AT));
  if (from === undefined) return undefined;
  const to = message.indexOf('"', from);
  if (to - from < WORTH_LIFTING) return undefined; // None, or too short: the name of what was lifted before, perhaps.
  const backslash = message.indexOf('\\', from);
  if (backslash >= 0 && backslash < to) return undefined;
  return {
    before: message.slice(0, from),
    after: message.slice(to),
    lifted: {
      length: to - from,
      slice: (a, b) => message.slice(from + a, Math.min(from + b, to)),
    },
  };
}

/** Characters that are decoded in one go. */
const SLICE = 1 << 18;
/** `=` only at the end, no more than two. */
const DIGITS = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * Decodes base64 piece by piece and gives each piece to `write`, so that nobody waits longer than a piece takes, about
 * a millisecond. Blanks and line ends between digits are skipped, as MIME writers put them there.
 * @throws MyelinError ARCHIVE_REFUSED for what is not base64
 */
export async function decodeBase64(
  source: Lifted,
  write: (bytes: Buffer) => Promise<unknown>,
): Promise<number> {
  const refuse = () =>
    new MyelinError('ARCHIVE_REFUSED', { reason: 'it is not base64', advice: 'Send standard base64.' });
  let rest = '';
  let written = 0;
  let ended = false;
  for (let at = 0; at < source.length; at += SLICE) {
    const raw = source.slice(at, at + SLICE);
    const text = rest + (/\s/.test(raw) ? raw.replace(/\s+/g, '') : raw);
    const whole = text.length - (text.length % 4);
    const digits = text.slice(0, whole);
    rest = text.slice(whole);
    if (digits === '') continue;
    if (ended || !DIGITS.test(digits)) throw refuse();
    ended = digits.endsWith('=');
    const bytes = Buffer.from(digits, 'base64');
    written += bytes.length;
    await write(bytes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (rest !== '') {
    if (ended || rest.length === 1 || !/^[A-Za-z0-9+/_-]+$/.test(rest)) throw refuse();
    const bytes = Buffer.from(rest, 'base64');
    written += bytes.length;
    await write(bytes);
  }
  return written;
}
