/** A bounded first-in first-out of CAN frames with the time each is due. Holds everything in place: no allocation. */
export class FrameQueue {
  readonly capacity: number;
  readonly #ids: Uint32Array;
  readonly #lengths: Uint8Array;
  readonly #data: Uint8Array[];
  readonly #dueNs: Float64Array;
  #first = 0;
  #count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#ids = new Uint32Array(capacity);
    this.#lengths = new Uint8Array(capacity);
    this.#data = Array.from({ length: capacity }, () => new Uint8Array(8));
    this.#dueNs = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  /** False when the queue is full: the frame was not taken. */
  push(id: number, data: Uint8Array, length: number, dueNs: number): boolean {
    if (this.#count === this.capacity) return false;
    const at = (this.#first + this.#count) % this.capacity;
    this.#ids[at] = id;
    this.#lengths[at] = length;
    const slot = this.#data[at]!;
    for (let i = 0; i < 8; i += 1) slot[i] = i < length ? data[i]! : 0;
    this.#dueNs[at] = dueNs;
    this.#count += 1;
    return true;
  }

  /** Due time of the oldest frame, ns; Infinity when empty. */
  get dueNs(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.#dueNs[this.#first]!;
  }
  get id(): number {
    return this.#ids[this.#first]!;
  }
  get length(): number {
    return this.#lengths[this.#first]!;
  }
  /** The oldest frame's bytes; valid until the next {@link pop}. */
  get data(): Uint8Array {
    return this.#data[this.#first]!;
  }

  pop(): void {
    if (this.#count === 0) return;
    this.#first = (this.#first + 1) % this.capacity;
    this.#count -= 1;
  }

  clear(): void {
    this.#count = 0;
  }
}
