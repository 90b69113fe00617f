const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Not a digit of base64: whoever decodes refuses it. */
const WRONG = BACKSLASH;
const NAMED: Readonly<Record<string, number>> = { '/': 0x2f, n: 0x0a, r: 0x0d, t: 0x09 };

/** The content of a JSON text that holds base64, as it arrives: up to its closing quote, with escapes resolved. */
export class Unescaper {
  /** An escape that has begun: `\`, `\u`, `\u00`… */
  #escape = '';

  /** What belongs to the text, and where its closing quote is: -1 when it is not among these bytes. */
  take(bytes: Buffer): { bytes: Buffer; end: number } {
    const quote = bytes.indexOf(QUOTE);
    const known = quote < 0 ? bytes : bytes.subarray(0, quote);
    if (this.#escape === '' && !known.includes(BACKSLASH)) return { bytes: known, end: quote };
    const text = Buffer.allocUnsafe(bytes.length + 1);
    let length = 0;
    for (const [at, byte] of bytes.entries()) {
      if (this.#escape !== '') {
        this.#escape += String.fromCharCode(byte);
        const resolved = resolve(this.#escape);
        if (resolved === undefined) continue;
        this.#escape = '';
        text[length++] = resolved;
      } else if (byte === BACKSLASH) this.#escape = '\\';
      else if (byte === QUOTE) return { bytes: text.subarray(0, length), end: at };
      else text[length++] = byte;
    }
    return { bytes: text.subarray(0, length), end: -1 };
  }
}

/** The character an escape stands for; undefined while it is not whole. */
function resolve(sequence: string): number | undefined {
  const [, kind = '', ...digits] = sequence;
  if (kind !== 'u') return NAMED[kind] ?? WRONG;
  if (digits.length < 4) return undefined;
  const code = Number(`0x${digits.join('')}`);
  return code < 0x80 ? code : WRONG;
}
