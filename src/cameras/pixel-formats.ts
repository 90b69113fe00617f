import type { PixelFormat } from '../platform/v4l2.ts';
import { decodeJpeg } from './jpeg.ts';
import { packRgb, yuyvToRgb } from './pixels.ts';

/** How large a picture is, pixels, and how far apart its rows are, bytes (0 when compressed). */
export interface PictureShape {
  readonly width: number;
  readonly height: number;
  readonly stride: number;
}

/** Draws a picture of one format into `rgb`. False when it is incomplete or damaged; `rgb` may then be half drawn. */
type Draw = (bytes: Uint8Array, shape: PictureShape, rgb: Uint8Array) => boolean | Promise<boolean>;

const rows =
  (bytesPerPixel: number, convert: typeof packRgb): Draw =>
  (bytes, { width, height, stride }, rgb) => {
    if (bytes.length < stride * (height - 1) + width * bytesPerPixel) return false;
    convert(bytes, width, height, stride, rgb);
    return true;
  };

/** Every format a camera may give, and how it becomes RGB. */
export const DRAW: Readonly<Record<PixelFormat, Draw>> = {
  RGB3: rows(3, packRgb),
  YUYV: rows(2, yuyvToRgb),
  MJPG: decodeJpeg,
};
