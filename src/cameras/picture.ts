import { inflateSync } from 'node:zlib';
import { MyelinError } from '../core/errors.ts';

/** A picture as everything here wants it: RGB, 8 bits a channel, rows from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

const MAX_SIDE = 4096;
const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Channels of each PNG colour type: grey, RGB, palette, grey and alpha, RGB and alpha. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * Reads a PNG (8 bits a channel, not interlaced; transparency is dropped) or a binary PPM.
 * @throws MyelinError PICTURE_INVALID
 */
export function decodePicture(file: string, bytes: Buffer): Picture {
  const invalid = (reason: string): MyelinError => new MyelinError('PICTURE_INVALID', { file, reason });
  try {
    if (bytes.subarray(0, 8).equals(PNG_SIGNATURE)) return decodePng(bytes, invalid);
    if (bytes.subarray(0, 2).toString('latin1') === 'P6') return decodePpm(bytes, invalid);
  } catch (cause) {
    if (cause instanceof MyelinError) throw cause;
    throw invalid(cause instanceof Error ? cause.message : String(cause));
  }
  throw invalid('it is neither PNG nor PPM');
}

type Invalid = (reason: string) => MyelinError;

function checkSize(width: number, height: number, invalid: Invalid): void {
  if (![width, height].every((side) => Number.isInteger(side) && side >= 1 && side <= MAX_SIDE)) {
    throw invalid(`its size is ${width}x${height}`);
  }
}

function decodePpm(bytes: Buffer, invalid: Invalid): Picture {
  const header = /^P6(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s/.exec(
    bytes.subarray(0, 512).toString('latin1'),
  );
  if (header === null || header[3] !== '255') throw invalid('its header is not that of an 8-bit PPM');
  const [width, height] = [Number(header[1]), Number(header[2])];
  checkSize(width, height, invalid);
  const rgb = new Uint8Array(bytes.subarray(header[0].length, header[0].length + width * height * 3));
  if (rgb.length < width * height * 3) throw invalid('it is cut short');
  return { width, height, rgb };
}

function decodePng(bytes: Buffer, invalid: Invalid): Picture {
  const width = bytes.readUInt32BE(16);
  const height = bytes.readUInt32BE(20);
  checkSize(width, height, invalid);
  const [depth, colour = -1, , , interlace] = bytes.subarray(24, 29);
  const channels = CHANNELS[colour];
  if (depth !== 8 || interlace !== 0 || channels === undefined) {
    throw invalid(`depth ${depth}, colour type ${colour}, interlace ${interlace}`);
  }

  let palette = new Uint8Array(0);
  const data: Buffer[] = [];
  for (let at = 8; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'PLTE') palette = new Uint8Array(body);
    if (type === 'IDAT') data.push(body);
    if (type === 'IEND') break;
    at += 12 + length;
  }
  const stride = width * channels;
  const size = (stride + 1) * height;
  const raw = inflateSync(Buffer.concat(data), { maxOutputLength: size });
  if (raw.length < size) throw invalid('it is cut short');
  const pixels = unfilter(raw, stride, height, channels, invalid);
  return { width, height, rgb: toRgb(pixels, width * height, channels, colour === 3 ? palette : undefined) };
}

/** Undoes the filter of each row (PNG specification, section 9): every byte is told relative to its neighbours. */
function unfilter(
  raw: Buffer,
  stride: number,
  height: number,
  channels: number,
  invalid: Invalid,
): Uint8Array {
  const out = new Uint8Array(stride * height);
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (stride + 1)]!;
    const from = row * (stride + 1) + 1;
    const to = row * stride;
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? out[to + i - channels]! : 0;
      const above = row > 0 ? out[to + i - stride]! : 0;
      const corner = row > 0 && i >= channels ? out[to + i - stride - channels]! : 0;
      out[to + i] = raw[from + i]! + predict(filter, left, above, corner, invalid);
    }
  }
  return out;
}

function predict(filter: number, left: number, above: number, corner: number, invalid: Invalid): number {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return left;
    case 2:
      return above;
    case 3:
      return (left + above) >> 1;
    case 4: {
      const estimate = left + above - corner;
      const [a, b, c] = [left, above, corner].map((value) => Math.abs(estimate - value)) as [
        number,
        number,
        number,
      ];
      return a <= b && a <= c ? left : b <= c ? above : corner;
    }
    default:
      throw invalid(`filter ${filter}`);
  }
}

function toRgb(
  pixels: Uint8Array,
  count: number,
  channels: number,
  palette: Uint8Array | undefined,
): Uint8Array {
  if (channels === 3) return pixels;
  const rgb = new Uint8Array(count * 3);
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < 3; channel++) {
      rgb[3 * i + channel] =
        palette !== undefined
          ? (palette[3 * pixels[i]! + channel] ?? 0)
          : pixels[i * channels + (channels === 4 ? channel : 0)]!;
    }
  }
  return rgb;
}
