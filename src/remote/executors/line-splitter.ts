/**
 * Bytes into lines, with a bound on how long a line may be. A longer one is handed to `onLong` cut to the bound, and
 * the rest of it is dropped; memory never holds more than one bound.
 */
export class LineSplitter {
  readonly #most: number;
  readonly #onLine: (line: string) => void;
  readonly #onLong: (start: string) => void;
  #parts: Buffer[] = [];
  #bytes = 0;
  #skipping = false;

  constructor(most: number, onLine: (line: string) => void, onLong: (start: string) => void) {
    this.#most = most;
    this.#onLine = onLine;
    this.#onLong = onLong;
  }

  write(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      if (this.#parts.length === 0 && !this.#skipping && end - start <= this.#most)
        this.#onLine(withoutReturn(chunk.toString('utf8', start, end)));
      else {
        this.#take(chunk.subarray(start, end));
        this.#finish();
      }
      start = end + 1;
    }
    this.#take(chunk.subarray(start));
  }

  /** What stands after the last line break, as a line. */
  end(): void {
    if (this.#bytes > 0) this.#finish();
  }

  #take(part: Buffer): void {
    if (this.#skipping || part.length === 0) return;
    const room = this.#most - this.#bytes;
    // A copy: the chunk's memory belongs to the stream and would be kept whole for a short rest.
    this.#parts.push(Buffer.from(part.subarray(0, room)));
    this.#bytes += Math.min(part.length, room);
    if (part.length <= room) return;
    this.#onLong(this.#text());
    this.#skipping = true;
  }

  #finish(): void {
    if (this.#skipping) this.#skipping = false;
    else this.#onLine(this.#text());
  }

  #text(): string {
    const [only] = this.#parts;
    const bytes = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return withoutReturn(bytes.toString('utf8'));
  }
}

const withoutReturn = (text: string): string => (text.endsWith('\r') ? text.slice(0, -1) : text);
