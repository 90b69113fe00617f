import { randomFillSync } from 'node:crypto';
import { MyelinError } from '../../core/errors.ts';

/**
 * A message of the pool travels in one or more frames, each a NATS message of its own, because a NATS server takes
 * no more than its `max_payload` (1 MiB by default) at a time. Each begins with:
 *
 * | bytes | what                                   |
 * | ----- | -------------------------------------- |
 * | 0-3   | `MYP1`                                 |
 * | 4-11  | id of the message, random              |
 * | 12-15 | bytes of the whole message, big-endian |
 * | 16-17 | number of this frame, from 0           |
 * | 18-19 | frames of the message                  |
 *
 * All frames of a message but the last are of one length.
 */
export const FRAME_HEAD_BYTES = 20;
const MAGIC = 0x4d595031;
const MOST_FRAMES = 0xffff;

/**
 * Cuts a message into frames of at most `maxPayload` bytes.
 * @throws MyelinError MESSAGE_INVALID when it would take more than 65 535
 */
export function toFrames(message: Uint8Array, maxPayload: number): Uint8Array[] {
  const room = maxPayload - FRAME_HEAD_BYTES;
  const count = Math.max(1, Math.ceil(message.length / room));
  if (room < 1 || count > MOST_FRAMES)
    throw new MyelinError('MESSAGE_INVALID', {
      detail: `${message.length} bytes do not fit into frames of ${maxPayload}`,
    });
  const id = randomFillSync(new Uint8Array(8));
  return Array.from({ length: count }, (_, index) => {
    const part = message.subarray(index * room, (index + 1) * room);
    const frame = Buffer.allocUnsafeSlow(FRAME_HEAD_BYTES + part.length);
    const view = new DataView(frame.buffer);
    view.setUint32(0, MAGIC);
    frame.set(id, 4);
    view.setUint32(12, message.length);
    view.setUint16(16, index);
    view.setUint16(18, count);
    frame.set(part, FRAME_HEAD_BYTES);
    return frame;
  });
}

export interface FrameJoinerOptions {
  /** Bytes a message may have. Default 64 MiB. */
  readonly maxMessageBytes?: number;
  /** Bytes of all messages that wait for their rest; the oldest makes room. Default 256 MiB. */
  readonly maxWaitingBytes?: number;
  /** Messages that may wait for their rest; the oldest makes room. Default 64. */
  readonly maxWaiting?: number;
  /** Time for all frames of a message, ms. Default 10 000. */
  readonly timeoutMs?: number;
  /** Monotonic time, ms. */
  readonly nowMs?: () => number;
}

interface Incomplete {
  /** Room for all of it; what has not come yet is not defined. */
  readonly whole: Uint8Array;
  /** Numbers of the frames that came. */
  readonly came: Set<number>;
  readonly count: number;
  /** Bytes in every frame but the last. */
  readonly room: number;
  readonly startedMs: number;
}

const MIB = 1024 * 1024;

/** Puts messages together again. What waits is bounded, by what frames claim. */
export class FrameJoiner {
  readonly #maxMessageBytes: number;
  readonly #maxWaitingBytes: number;
  readonly #maxWaiting: number;
  readonly #timeoutMs: number;
  readonly #nowMs: () => number;
  /** By source and id, oldest first. */
  readonly #waiting = new Map<string, Incomplete>();
  #waitingBytes = 0;
  #dropped = 0;

  constructor(options: FrameJoinerOptions = {}) {
    this.#maxMessageBytes = options.maxMessageBytes ?? 64 * MIB;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 256 * MIB;
    this.#maxWaiting = options.maxWaiting ?? 64;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Messages given up because their rest did not come or there was no room. */
  get dropped(): number {
    return this.#dropped;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * The message that the frame completes; undefined while frames are missing.
   * @param source whose frame it is: ids of different sources are different messages
   * @throws MyelinError MESSAGE_INVALID
   */
  take(source: string, frame: Uint8Array): Uint8Array | undefined {
    const { id, totalBytes, index, count, part } = readFrame(frame);
    if (totalBytes > this.#maxMessageBytes)
      throw invalid(`it has ${totalBytes} bytes, at most ${this.#maxMessageBytes} are read`);
    if (part.length > totalBytes) throw invalid('a frame is longer than its message');
    if (count === 1) {
      if (part.length !== totalBytes) throw invalid('its length is not what it says');
      return part;
    }
    const room = roomOf(totalBytes, index, count, part.length);
    this.#forgetOld();
    const key = `${source}\n${id}`;
    const message = this.#waiting.get(key) ?? this.#begin(key, totalBytes, count, room);
    const { whole, came } = message;
    if (message.count !== count || message.room !== room || whole.length !== totalBytes || came.has(index)) {
      this.#drop(key, message);
      throw invalid('its frames contradict each other');
    }
    whole.set(part, index * room);
    came.add(index);
    if (came.size < count) {
      this.#makeRoom();
      return undefined;
    }
    this.#remove(key, message);
    return whole;
  }

  #begin(key: string, totalBytes: number, count: number, room: number): Incomplete {
    const whole = Buffer.allocUnsafeSlow(totalBytes);
    const message = { whole, came: new Set<number>(), count, room, startedMs: this.#nowMs() };
    this.#waiting.set(key, message);
    this.#waitingBytes += totalBytes;
    return message;
  }

  #forgetOld(): void {
    const before = this.#nowMs() - this.#timeoutMs;
    for (const [key, message] of this.#waiting) {
      if (message.startedMs >= before) return;
      this.#drop(key, message);
    }
  }

  #makeRoom(): void {
    for (const [key, message] of this.#waiting) {
      if (this.#waiting.size <= this.#maxWaiting && this.#waitingBytes <= this.#maxWaitingBytes) return;
      this.#drop(key, message);
    }
  }

  #drop(key: string, message: Incomplete): void {
    this.#dropped += 1;
    this.#remove(key, message);
  }

  #remove(key: string, message: Incomplete): void {
    this.#waiting.delete(key);
    this.#waitingBytes -= message.whole.length;
  }
}

/** Bytes in every frame but the last, as one frame tells. @throws MyelinError MESSAGE_INVALID */
function roomOf(totalBytes: number, index: number, count: number, partBytes: number): number {
  const room = index < count - 1 ? partBytes : (totalBytes - partBytes) / (count - 1);
  if (Number.isInteger(room) && (count - 1) * room < totalBytes && totalBytes <= count * room) return room;
  throw invalid('its length is not what it says');
}

function readFrame(frame: Uint8Array) {
  if (frame.length < FRAME_HEAD_BYTES) throw invalid('it is no frame of a pool');
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0) !== MAGIC) throw invalid('it is no frame of a pool');
  const index = view.getUint16(16);
  const count = view.getUint16(18);
  const totalBytes = view.getUint32(12);
  if (index >= count) throw invalid(`frame ${index} of ${count}`);
  const part = frame.subarray(FRAME_HEAD_BYTES);
  // Every frame of several carries something, so a message never claims more frames than it has bytes.
  if (count > 1 && (part.length === 0 || count > totalBytes)) throw invalid('an empty frame');
  return { id: view.getBigUint64(4).toString(36), totalBytes, index, count, part };
}

const invalid = (detail: string) => new MyelinError('MESSAGE_INVALID', { detail });
