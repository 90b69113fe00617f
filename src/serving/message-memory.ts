/** Blocks are of whole multiples of this, so that messages of nearly one size share them; less is not kept. */
const STEP_BYTES = 64 * 1024;
/** A block may be so much larger than what it is taken for. */
const WASTE = 2;

/**
 * Memory for large messages that is used again. Megabytes made and dropped with every message keep the garbage
 * collector at work and the system clearing pages; these are taken, given back, and taken again.
 */
export class MessageMemory {
  readonly #maxIdleBytes: number;
  readonly #idle: ArrayBuffer[] = [];
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #idleBytes = 0;

  /** @param maxIdleBytes kept for later at most, default 32 MiB; what is given back beyond it is dropped */
  constructor(maxIdleBytes = 32 * 1024 * 1024) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /** Bytes kept for later. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of that length with anything in it. One that is never given back is garbage like any other. */
  take(bytes: number): Buffer {
    if (bytes < STEP_BYTES) return Buffer.allocUnsafe(bytes);
    const fitting = this.#idle.findIndex(
      ({ byteLength }) => byteLength >= bytes && byteLength <= WASTE * bytes + STEP_BYTES,
    );
    const [found] = fitting < 0 ? [] : this.#idle.splice(fitting, 1);
    if (found !== undefined) this.#idleBytes -= found.byteLength;
    // Not cleared: every byte is written before anyone reads it.
    const block = found ?? Buffer.allocUnsafeSlow(STEP_BYTES * Math.ceil(bytes / STEP_BYTES)).buffer;
    this.#lent.add(block);
    return Buffer.from(block as ArrayBuffer, 0, bytes);
  }

  /**
   * Takes a buffer back. Nothing may look at it, or at parts of it, any more. A second time, or for a buffer from
   * elsewhere, nothing happens.
   */
  give({ buffer }: Uint8Array): void {
    if (!this.#lent.delete(buffer)) return;
    if (this.#idleBytes + buffer.byteLength > this.#maxIdleBytes) return;
    this.#idle.push(buffer as ArrayBuffer);
    this.#idleBytes += buffer.byteLength;
  }
}
