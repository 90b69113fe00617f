import { randomUUID } from 'node:crypto';
import { type Lifted, liftBase64 } from './lift-base64.ts';

/** No request is nested deeper. */
const DEEPEST = 1000;

/** Base64 as it arrived, in pieces. Reading goes forward only: what lies before a part that was read is let go. */
export class LiftedChunks implements Lifted {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes before the first chunk that is still here. */
  #gone = 0;

  get length(): number {
    return this.#length;
  }

  append(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  slice(from: number, to: number): string {
    while (this.#chunks[0] !== undefined && this.#gone + this.#chunks[0].length <= from) {
      this.#gone += this.#chunks[0].length;
      this.#chunks.shift();
    }
    let text = '';
    let start = this.#gone;
    for (const chunk of this.#chunks) {
      if (start >= to) break;
      text += chunk.toString('latin1', Math.max(0, from - start), to - start);
      start += chunk.length;
    }
    return text;
  }
}

/**
 * Long base64 that was taken out of messages before they were read as JSON. What a message holds in its place is a
 * name nobody can guess; whoever reads the message takes the base64 by that name.
 */
export class LiftedUploads {
  readonly #kept = new Map<string, Lifted>();

  /** The name under which it is kept. */
  keep(lifted: Lifted): string {
    const name = `lifted-${randomUUID()}`;
    this.#kept.set(name, lifted);
    return name;
  }

  /** A long message in which a name stands for its base64; the message itself when it holds none. */
  liftText(message: string): string {
    const found = liftBase64(message);
    return found === undefined ? message : `${found.before}${this.keep(found.lifted)}${found.after}`;
  }

  /** The base64 behind a name, once; undefined when the text is no name. */
  take(text: string): Lifted | undefined {
    const lifted = this.#kept.get(text);
    this.#kept.delete(text);
    return lifted;
  }

  forget(name: string): void {
    this.#kept.delete(name);
  }

  /** A value with its texts put back, however deep within reason: it was no update after all. */
  restored(value: unknown, depth = 0): unknown {
    if (this.#kept.size === 0 || depth > DEEPEST) return value;
    if (typeof value === 'string') {
      const lifted = this.take(value);
      return lifted === undefined ? value : lifted.slice(0, lifted.length);
    }
    if (Array.isArray(value)) return value.map((item) => this.restored(item, depth + 1));
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
    for (const [key, item] of Object.entries(value)) {
      const restored = this.restored(item, depth + 1);
      if (restored !== item) Object.defineProperty(value, key, { value: restored, enumerable: true });
    }
    return value;
  }
}
