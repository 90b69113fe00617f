/**
 * A camera picture on the wire: one binary frame, little-endian.
 *
 * | offset | type | meaning |
 * |---|---|---|
 * | 0 | u8 | packet kind, 1 = picture |
 * | 1 | u8 | length of the name in bytes, 1 to 64 |
 * | 2 | u16 | width, pixels |
 * | 4 | u16 | height, pixels |
 * | 6 | u16 | 0 |
 * | 8 | u32 | sequence number of the picture |
 * | 12 | f32 | age when it was sent, ms |
 * | 16 | utf8 | name |
 * | 16 + name | u8 | width * height * 3, RGB, rows from the top |
 *
 * It needs no zod and no Node, so the browser decodes with this file too.
 */
export const PICTURE_KIND = 1;
const HEADER_BYTES = 16;

/** Widest picture that is sent, pixels; larger ones are thinned out to keep a page cheap. */
export const MAX_PICTURE_WIDTH = 320;

export interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly sequence: number;
  /** When it was sent, ms. */
  readonly ageMs: number;
  readonly rgb: Uint8Array;
}

/** Every how many pixels are kept of a picture `width` wide. */
export const pictureStride = (width: number): number => Math.max(1, Math.ceil(width / MAX_PICTURE_WIDTH));

/** Keeps every `stride`-th pixel of every `stride`-th row. */
export function thinOut(picture: Picture, stride: number): Picture {
  if (stride === 1) return picture;
  const width = Math.floor(picture.width / stride);
  const height = Math.floor(picture.height / stride);
  const rgb = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * stride * picture.width + x * stride) * 3;
      rgb[to++] = picture.rgb[from] ?? 0;
      rgb[to++] = picture.rgb[from + 1] ?? 0;
      rgb[to++] = picture.rgb[from + 2] ?? 0;
    }
  }
  return { ...picture, width, height, rgb };
}

export function encodePicture(picture: Picture): Uint8Array<ArrayBuffer> {
  const small = thinOut(picture, pictureStride(picture.width));
  const name = new TextEncoder().encode(small.name).subarray(0, 64);
  const bytes = new Uint8Array(HEADER_BYTES + name.length + small.rgb.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, PICTURE_KIND);
  view.setUint8(1, name.length);
  view.setUint16(2, small.width, true);
  view.setUint16(4, small.height, true);
  view.setUint32(8, small.sequence >>> 0, true);
  view.setFloat32(12, small.ageMs, true);
  bytes.set(name, HEADER_BYTES);
  bytes.set(small.rgb, HEADER_BYTES + name.length);
  return bytes;
}

/** The picture in a binary frame, its pixels not copied; undefined when the frame is not one. */
export function decodePicture(frame: ArrayBuffer): Picture | undefined {
  if (frame.byteLength < HEADER_BYTES) return undefined;
  const view = new DataView(frame);
  const nameBytes = view.getUint8(1);
  const width = view.getUint16(2, true);
  const height = view.getUint16(4, true);
  const pixels = HEADER_BYTES + nameBytes;
  const whole = frame.byteLength === pixels + width * height * 3;
  if (view.getUint8(0) !== PICTURE_KIND || nameBytes === 0 || nameBytes > 64 || !whole) return undefined;
  return {
    name: new TextDecoder().decode(new Uint8Array(frame, HEADER_BYTES, nameBytes)),
    width,
    height,
    sequence: view.getUint32(8, true),
    ageMs: view.getFloat32(12, true),
    rgb: new Uint8Array(frame, pixels),
  };
}
