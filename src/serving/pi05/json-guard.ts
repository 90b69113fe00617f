import { MyelinError } from '../../core/errors.ts';

/** Brackets a message may hold: four nested 640x480 pictures, and a reserve. */
const MOST_BRACKETS = 2_000_000;
const MOST_DEPTH = 12;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * Parses JSON that a stranger sent. Brackets are counted first: thirty million of them are a short message and
 * gigabytes of empty lists.
 * @throws MyelinError MESSAGE_INVALID
 */
export function parseJson(bytes: Uint8Array): unknown {
  let depth = 0;
  let brackets = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x22 || (byte > 0x22 && byte < 0x5b)) continue;
    if (byte === QUOTE) at = endOfText(bytes, at);
    else if (OPENING.has(byte)) {
      brackets += 1;
      depth += 1;
      if (depth > MOST_DEPTH) throw invalid(`more than ${MOST_DEPTH} levels`);
      if (brackets > MOST_BRACKETS) throw invalid(`more than ${MOST_BRACKETS} lists and objects`);
    } else if (CLOSING.has(byte)) depth -= 1;
  }
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    throw invalid('it is not JSON');
  }
}

function endOfText(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at;
  }
  return bytes.length;
}

const invalid = (detail: string) => new MyelinError('MESSAGE_INVALID', { detail });
