import { base64Start, LOOK_AT, WORTH_LIFTING } from './lift-base64.ts';
import { LiftedChunks } from './lifted-uploads.ts';
import { Unescaper } from './unescaper.ts';

export interface FrameDiverterOptions {
  /** Longest message, bytes. */
  readonly maxBytes: number;
  /** Bytes for whoever reads frames: as they came, or with a name where base64 stood. */
  readonly forward: (bytes: Buffer) => void;
  /** Keeps base64 and gives it a name. */
  readonly keep: (lifted: LiftedChunks) => string;
}

interface Frame {
  readonly header: Buffer;
  readonly final: boolean;
  readonly opcode: number;
  readonly length: number;
  readonly mask: Buffer;
  /** Whether it can be read here: masked, without extensions. */
  readonly plain: boolean;
}

const TEXT = 1;
const CONTINUATION = 0;
const FINAL = 0x80;
const NO_MASK = Buffer.alloc(4);

/**
 * What a client sends over WebSocket (RFC 6455), frame by frame, before anything else sees it. All of it is forwarded
 * as it is, but a long text message that begins like an `update` is taken apart while it arrives: its base64 stays in
 * the pieces it came in, and a name stands for it in the message that is forwarded. So nobody ever joins, unmasks or
 * reads 100 MB in one go, which would hold up a stop for a fifth of a second.
 */
export class FrameDiverter {
  readonly #options: FrameDiverterOptions;
  #partial: Buffer = Buffer.alloc(0);
  #frame: Frame | undefined;
  /** Payload of the frame that was seen so far, bytes. */
  #seen = 0;
  /** `look`: is it an update? `lift`: its base64. `rest`: what follows it. `pass`: nothing of ours. */
  #mode: 'pass' | 'look' | 'lift' | 'rest' = 'pass';
  #look: Buffer[] = [];
  #before = '';
  #lifted = new LiftedChunks();
  #unescaper = new Unescaper();
  #messageBytes = 0;
  #broken = false;

  constructor(options: FrameDiverterOptions) {
    this.#options = options;
  }

  take(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0 && !this.#broken; ) {
      if (this.#frame === undefined) {
        rest = this.#takeHeader(rest);
        continue;
      }
      const part = rest.subarray(0, this.#frame.length - this.#seen);
      rest = rest.subarray(part.length);
      this.#takePayload(this.#frame, part);
    }
  }

  #takeHeader(bytes: Buffer): Buffer {
    const known = this.#partial.length;
    const head = known === 0 ? bytes : Buffer.concat([this.#partial, bytes.subarray(0, 14)]);
    const header = head.length < 2 ? undefined : head.subarray(0, headerBytes(head));
    if (header === undefined || header.length < headerBytes(head)) {
      this.#partial = Buffer.from(head);
      return bytes.subarray(bytes.length);
    }
    this.#partial = Buffer.alloc(0);
    this.#seen = 0;
    this.#begin(readFrame(Buffer.from(header)));
    return bytes.subarray(header.length - known);
  }

  #begin(frame: Frame): void {
    const isControl = frame.opcode >= 8;
    const isOurs = this.#mode === 'lift' || this.#mode === 'rest';
    if (isControl || !isOurs) {
      const { maxBytes } = this.#options;
      const long = frame.final ? frame.length >= WORTH_LIFTING : frame.length >= LOOK_AT;
      const looks = !isControl && frame.plain && frame.opcode === TEXT && long && frame.length <= maxBytes;
      if (looks) this.#mode = 'look';
      else this.#options.forward(frame.header);
    } else if (frame.opcode !== CONTINUATION || !frame.plain) {
      this.#confuse();
      return;
    }
    this.#frame = frame;
    if (frame.length === 0) this.#endFrame(frame);
  }

  #takePayload(frame: Frame, part: Buffer): void {
    const at = this.#seen;
    this.#seen += part.length;
    if (frame.opcode >= 8 || this.#mode === 'pass') this.#options.forward(part);
    else if (this.#mode === 'look') this.#lookAt(frame, part);
    else this.#takeText(frame, unmask(part, frame.mask, at));
    if (this.#seen === frame.length && !this.#broken) this.#endFrame(frame);
  }

  #lookAt(frame: Frame, part: Buffer): void {
    this.#look.push(part);
    if (this.#seen < Math.min(LOOK_AT, frame.length)) return;
    const raw = Buffer.concat(this.#look);
    this.#look = [];
    const start = base64Start(
      unmask(Buffer.from(raw.subarray(0, LOOK_AT)), frame.mask, 0).toString('latin1'),
    );
    if (start === undefined) {
      this.#mode = 'pass';
      this.#options.forward(frame.header);
      this.#options.forward(raw);
      return;
    }
    const text = unmask(raw, frame.mask, 0);
    this.#mode = 'lift';
    this.#messageBytes = 0;
    this.#before = text.toString('utf8', 0, start);
    this.#lifted = new LiftedChunks();
    this.#unescaper = new Unescaper();
    this.#takeText(frame, text.subarray(start));
  }

  #takeText(frame: Frame, text: Buffer): void {
    this.#messageBytes += text.length;
    if (this.#messageBytes > this.#options.maxBytes) {
      this.#exceed();
      return;
    }
    let rest = text;
    if (this.#mode === 'lift') {
      const { bytes, end } = this.#unescaper.take(text);
      this.#lifted.append(bytes);
      if (end < 0) return;
      this.#forwardText(TEXT, Buffer.from(`${this.#before}${this.#options.keep(this.#lifted)}`), false);
      this.#mode = 'rest';
      rest = text.subarray(end);
    }
    const ends = frame.final && this.#seen === frame.length;
    this.#forwardText(CONTINUATION, rest, ends);
    if (ends) this.#mode = 'pass';
  }

  #endFrame(frame: Frame): void {
    this.#frame = undefined;
    if (frame.opcode >= 8 || !frame.final) return;
    // Its base64 has no end: the reader shall find that out.
    if (this.#mode === 'lift') this.#forwardText(TEXT, Buffer.from(this.#before), true);
    else if (this.#mode === 'rest') this.#forwardText(CONTINUATION, Buffer.alloc(0), true);
    this.#mode = 'pass';
  }

  #forwardText(opcode: number, text: Buffer, final: boolean): void {
    this.#options.forward(headerOf(opcode | (final ? FINAL : 0), text.length));
    if (text.length > 0) this.#options.forward(text);
  }

  /** The message is too long: so is a frame that is announced to the reader, who ends the connection with 1009. */
  #exceed(): void {
    this.#broken = true;
    const opcode = this.#mode === 'rest' ? CONTINUATION : TEXT;
    this.#options.forward(headerOf(opcode | FINAL, this.#options.maxBytes + 1));
  }

  /** A frame came that does not belong to its message: the reader gets one that does not, and ends with 1002. */
  #confuse(): void {
    this.#broken = true;
    const opcode = this.#mode === 'rest' ? TEXT : CONTINUATION;
    this.#options.forward(headerOf(opcode | FINAL, 0));
  }
}

const headerBytes = (head: Buffer): number => {
  const short = (head[1] ?? 0) & 0x7f;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (((head[1] ?? 0) & 0x80) === 0 ? 0 : 4);
};

function readFrame(header: Buffer): Frame {
  const first = header[0] ?? 0;
  const second = header[1] ?? 0;
  const short = second & 0x7f;
  const length =
    short === 126 ? header.readUInt16BE(2) : short === 127 ? Number(header.readBigUInt64BE(2)) : short;
  const isMasked = (second & 0x80) !== 0;
  return {
    header,
    final: (first & FINAL) !== 0,
    opcode: first & 0x0f,
    length,
    mask: isMasked ? header.subarray(-4) : NO_MASK,
    plain: isMasked && (first & 0x70) === 0,
  };
}

/** A header whose mask changes nothing. */
function headerOf(first: number, length: number): Buffer {
  const header = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  header[0] = first;
  header[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (length >= 65_536) header.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) header.writeUInt16BE(length, 2);
  return header;
}

/** Undoes the mask in place; `at` is where in the frame's payload these bytes begin. */
function unmask(bytes: Buffer, mask: Buffer, at: number): Buffer {
  const key = [0, 1, 2, 3].map((i) => mask[(at + i) % 4] ?? 0);
  let i = 0;
  const byByte = (end: number) => {
    for (; i < end; i++) bytes[i] = (bytes[i] ?? 0) ^ (key[i % 4] ?? 0);
  };
  // Whole words where the memory allows it: four times as fast.
  byByte(Math.min(bytes.length, (4 - (bytes.byteOffset % 4)) % 4));
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (bytes.length - i) >> 2);
  const [a = 0, b = 0, c = 0, d = 0] = [0, 1, 2, 3].map((j) => key[(i + j) % 4] ?? 0);
  // Least significant byte first, as on every machine Node runs on but a few mainframes.
  const word = a | (b << 8) | (c << 16) | (d << 24);
  for (let w = 0; w < words.length; w++) words[w] = (words[w] ?? 0) ^ word;
  i += words.length * 4;
  byByte(bytes.length);
  return bytes;
}
