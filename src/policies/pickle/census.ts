import { PickleRefusal } from './allow-list.ts';

interface Entry {
  /** Containers inside one another from here down; 0 for a leaf. */
  depth: number;
  /** Elements from here down, what is shared counted at each place. */
  elements: number;
  /** Whether it lies inside another one. From then on it may not change. */
  held: boolean;
}

/**
 * Keeps count of what each value holds while it is put together. A value that lies inside another one may not change
 * any more; so no value can come to hold itself, and its counts are final. Whoever walks the result therefore needs
 * no guard of their own against endless or exploding structures. Python always finishes a value before it puts it
 * into another, unless the structure refers to itself.
 */
export class Census {
  readonly #entries = new WeakMap<object, Entry>();
  readonly #maxDepth: number;
  readonly #maxElements: number;

  constructor(maxDepth: number, maxElements: number) {
    this.#maxDepth = maxDepth;
    this.#maxElements = maxElements;
  }

  /** Notes that `whole` now also holds `parts`. */
  put(whole: object, parts: Iterable<unknown>): void {
    const entry = this.#entries.get(whole) ?? { depth: 1, elements: 1, held: false };
    if (entry.held) throw new PickleRefusal('a value changes after it was put into another one');
    for (const part of parts) {
      const own = this.#hold(part);
      entry.depth = Math.max(entry.depth, 1 + (own?.depth ?? 0));
      entry.elements += own?.elements ?? 1;
    }
    this.#entries.set(whole, entry);
    // After the parts were marked as held: a value that was put into itself shows here.
    if (entry.held) throw new PickleRefusal('a value holds itself');
    if (entry.depth > this.#maxDepth)
      throw new PickleRefusal(`values lie inside one another deeper than ${this.#maxDepth}`);
    if (entry.elements > this.#maxElements)
      throw new PickleRefusal(`it stands for more than ${this.#maxElements} elements`);
  }

  #hold(part: unknown): Entry | undefined {
    if (typeof part !== 'object' || part === null) return undefined;
    const entry = this.#entries.get(part);
    if (entry !== undefined) entry.held = true;
    return entry;
  }
}
