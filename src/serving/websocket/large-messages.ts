import type { Duplex } from 'node:stream';
import bufferUtil from 'bufferutil';
import type { WebSocket } from 'ws';
import type { MessageMemory } from '../message-memory.ts';
import { readShared } from './read-shared.ts';

/** What ws's receiver has of its own, of the version this package pins. */
interface Receiver {
  readonly writableLength: number;
  _bufferedBytes: number;
  readonly _buffers: Buffer[];
  readonly _payloadLength: number;
  readonly _opcode: number;
  readonly _fin: boolean;
  /** Kind of the message whose first part has come; 0 between messages. */
  readonly _fragmented: number;
  readonly _compressed: boolean;
  readonly _mask: Buffer | undefined;
  _masked: boolean;
  _loop: boolean;
  _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void;
  startLoop(done: (error?: Error | null) => void): void;
  getData(done: (error?: Error | null) => void): void;
  consume(bytes: number): Buffer;
}

/** What this needs of a WebSocket. */
interface Inside {
  readonly _receiver?: Partial<Receiver>;
  readonly _socket?: Duplex;
}

const BINARY = 2;
/** A frame's header has no more: two bytes, eight of length, four of mask. */
const HEAD_BYTES = 14;
/** Smaller payloads come in one read, or cost nothing. */
const LEAST_BYTES = 64 * 1024;
/** Nobody gets more than this for the mere announcement of a payload. */
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * Has ws put large binary messages together in `memory`, unmasking each part as it comes in one pass from where the
 * socket put it, while the client still sends the next. By itself ws keeps all parts, then makes room for the whole,
 * copies and unmasks it, all after the last byte has come. What a message may be is still ws's to check: its
 * receiver reads every header, and gets the payload as if it had put it together. Where the socket allows it, parts
 * do not even come in memory of their own.
 * @param socket one that has received nothing yet
 * @returns whether it does; ws works as ever where it is not built as expected
 */
export function receiveInto(socket: WebSocket, memory: MessageMemory): boolean {
  const { _receiver: receiver, _socket: stream } = socket as unknown as Inside;
  if (!isReceiver(receiver)) return false;
  let filling: Payload | undefined;
  let whole: Buffer | undefined;

  const getData = receiver.getData.bind(receiver);
  receiver.getData = (done) => {
    const { _payloadLength: bytes, _bufferedBytes: buffered, _mask: mask } = receiver;
    const alone = receiver._fin && receiver._fragmented === 0 && !receiver._compressed;
    const large = bytes >= LEAST_BYTES && bytes <= MOST_BYTES && buffered < bytes;
    if (!alone || !large || receiver._opcode !== BINARY || mask === undefined) return getData(done);
    filling = new Payload(memory.take(bytes), mask);
    for (const part of receiver._buffers.splice(0)) filling.add(part);
    receiver._bufferedBytes = 0;
    receiver._loop = false;
  };

  const consume = receiver.consume.bind(receiver);
  receiver.consume = (bytes) => {
    if (whole === undefined) return consume(bytes);
    const payload = whole;
    whole = undefined;
    receiver._bufferedBytes -= bytes;
    return payload;
  };

  const write = receiver._write.bind(receiver);
  receiver._write = (chunk, encoding, done) => {
    if (filling === undefined) return write(chunk, encoding, done);
    const used = filling.add(chunk);
    if (filling.left > 0) return done();
    whole = filling.bytes;
    filling = undefined;
    receiver._masked = false;
    receiver._bufferedBytes += whole.length;
    if (used === chunk.length) receiver.startLoop(done);
    else write(chunk.subarray(used), encoding, done);
  };

  // Within a payload to its place, otherwise in memory that ws may keep.
  const deliver = (bytes: Buffer) => {
    let at = 0;
    const pass = (end: number) => {
      stream?.emit('data', Buffer.from(bytes.subarray(at, end)));
      at = end;
    };
    while (at < bytes.length) {
      if (filling !== undefined && receiver.writableLength === 0) {
        // The last byte goes through ws, which then finds the payload whole.
        at += filling.add(bytes.subarray(at, at + filling.left - 1));
        if (at < bytes.length) pass(at + 1);
      } else {
        pass(Math.min(at + HEAD_BYTES, bytes.length));
        if (filling === undefined) pass(bytes.length);
      }
    }
  };
  if (stream !== undefined) readShared(stream, deliver);
  return true;
}

function isReceiver(found: Partial<Receiver> | undefined): found is Receiver {
  if (found === undefined) return false;
  const { _write, startLoop, getData, consume, _buffers, _bufferedBytes } = found;
  const methods = [_write, startLoop, getData, consume].every((each) => typeof each === 'function');
  return methods && Array.isArray(_buffers) && _bufferedBytes === 0;
}

/** A payload on its way in. */
class Payload {
  readonly bytes: Buffer;
  readonly #mask: Buffer;
  readonly #masked: boolean;
  #at = 0;

  constructor(bytes: Buffer, mask: Buffer) {
    this.bytes = bytes;
    // A view of what the socket read would keep all of that.
    this.#mask = Buffer.from(mask);
    this.#masked = mask.some((byte) => byte !== 0);
  }

  /** Bytes that have not come yet. */
  get left(): number {
    return this.bytes.length - this.#at;
  }

  /** Adds the next part as it came. @returns bytes of it that belong to this payload */
  add(part: Buffer): number {
    const used = Math.min(part.length, this.left);
    if (this.#masked) bufferUtil.mask(part, this.#maskHere(), this.bytes, this.#at, used);
    else part.copy(this.bytes, this.#at, 0, used);
    this.#at += used;
    return used;
  }

  /** The mask as it falls on the next byte. */
  #maskHere(): Buffer {
    const turn = this.#at % 4;
    return turn === 0 ? this.#mask : Buffer.concat([this.#mask.subarray(turn), this.#mask.subarray(0, turn)]);
  }
}
