import { PickleRefusal } from './allow-list.ts';

/** Integers longer than this are refused: reading decimal digits takes quadratic time. */
export const MAX_INTEGER_BYTES = 128;
export const MAX_DIGITS = 400;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function utf8Text(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new PickleRefusal('a text is not UTF-8');
  }
}

export const latin1Text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

/** Python 2 did not tell texts from bytes: ASCII is taken for a text, everything else for bytes. */
export const textOrBytes = (bytes: Uint8Array): string | Uint8Array =>
  bytes.every((byte) => byte < 128) ? latin1Text(bytes) : bytes;

const plain = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;

/** Decimal digits: a number where that is exact, else a bigint. */
export function decimalInteger(text: string): number | bigint {
  if (text.length > MAX_DIGITS || !/^[+-]?\d+$/.test(text))
    throw new PickleRefusal(`"${text.slice(0, 40)}" is not an integer`);
  return plain(BigInt(text.startsWith('+') ? text.slice(1) : text));
}

/** Two's complement, little end first; no bytes are 0. */
export function littleEndianInteger(bytes: Uint8Array): number | bigint {
  if (bytes.length > MAX_INTEGER_BYTES)
    throw new PickleRefusal(`an integer of ${bytes.length} bytes is longer than ${MAX_INTEGER_BYTES}`);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return plain(BigInt.asIntN(8 * bytes.length, value));
}

const FLOAT_WORDS: Readonly<Record<string, number>> = {
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  nan: Number.NaN,
  '-nan': Number.NaN,
};

export function decimalFloat(text: string): number {
  const word = FLOAT_WORDS[text];
  if (word !== undefined) return word;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text))
    throw new PickleRefusal(`"${text.slice(0, 40)}" is not a number`);
  return Number(text);
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\n': '',
};

/** A literal between quotes as Python 2 prints a string. */
export function quotedString(line: Uint8Array): string | Uint8Array {
  const text = latin1Text(line).trim();
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || text.at(-1) !== quote)
    throw new PickleRefusal('a string is not between quotes');
  const inner = text
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[\s\S])/g, (whole: string, code: string) => {
      if (code.length === 3 && code.startsWith('x'))
        return String.fromCharCode(Number.parseInt(code.slice(1), 16));
      if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 255);
      return SIMPLE_ESCAPES[code] ?? whole;
    });
  return textOrBytes(Buffer.from(inner, 'latin1'));
}

/** Latin-1 in which `\u` with four hex digits and `\U` with eight are code points and nothing else is an escape. */
export const rawUnicodeEscapes = (line: Uint8Array): string =>
  latin1Text(line).replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) => {
    const point = Number.parseInt(short ?? long ?? '', 16);
    if (point > 0x10ffff) throw new PickleRefusal('a text holds a character beyond Unicode');
    return String.fromCodePoint(point);
  });
