/**
 * The newest observations of an episode, for models that look back. As in LeRobot's queues, the first one of an
 * episode stands for those before it.
 */
export class ObservationHistory<Entry> {
  readonly #length: number;
  #entries: { readonly timestep: number; readonly entry: Entry }[] = [];

  /** @param length observations a model looks at, the present one counted */
  constructor(length: number) {
    this.#length = length;
  }

  /** Adds the newest; one of the same timestep takes the old one's place, and going back in time starts anew. */
  push(timestep: number, entry: Entry): void {
    const newest = this.#entries.at(-1);
    if (newest !== undefined && timestep < newest.timestep) this.clear();
    if (timestep === newest?.timestep) this.#entries.pop();
    this.#entries.push({ timestep, entry });
    if (this.#entries.length > this.#length) this.#entries.shift();
  }

  /** As many as the model looks at, oldest first. There must have been one. */
  entries(): Entry[] {
    const known = this.#entries.map(({ entry }) => entry);
    const first = known[0];
    if (first === undefined) throw new RangeError('an empty history');
    return [...Array.from({ length: this.#length - known.length }, () => first), ...known];
  }

  clear(): void {
    this.#entries = [];
  }
}
