import { MyelinError } from '../../core/errors.ts';
import { NdArray } from '../openpi/ndarray.ts';
import { readPicture } from '../openpi/wire-picture.ts';
import { decodePicture } from '../pictures/decode-picture.ts';
import type { Rgb } from '../pictures/resize-with-pad.ts';
import type { ImageMessage } from './messages.ts';

/**
 * A picture in any of the forms a client may send: nested lists [height][width][3] of whole numbers 0 to 255, a numpy
 * array (MessagePack frames only), or `{encoding, data}` with JPEG, PNG or raw RGB, as base64 or bytes.
 * @throws MyelinError PICTURE_UNDECODABLE
 */
export async function readImage(camera: string, image: ImageMessage): Promise<Rgb> {
  if (image instanceof NdArray) return readPicture(camera, image, 'HWC');
  if (Array.isArray(image)) return fromNested(camera, image);
  const data = typeof image.data === 'string' ? fromBase64(camera, image.data) : image.data;
  if (image.encoding === 'raw') {
    const { width, height } = image;
    if (data.length === 3 * width * height) return { width, height, rgb: data };
    throw undecodable(camera, `it has ${data.length} bytes, not ${width} x ${height} x 3`);
  }
  return decodePicture(data).catch((thrown: unknown) => {
    const [reason = 'it is damaged'] = (thrown instanceof Error ? thrown.message : '').split('\n');
    throw undecodable(camera, reason.slice(0, 200));
  });
}

function fromNested(camera: string, lines: readonly unknown[]): Rgb {
  const height = lines.length;
  const width = Array.isArray(lines[0]) ? lines[0].length : 0;
  if (width === 0 || width > 8192) throw undecodable(camera, 'it is not [height][width][3]');
  const rgb = new Uint8Array(3 * width * height);
  let at = 0;
  for (const line of lines) {
    if (!Array.isArray(line) || line.length !== width)
      throw undecodable(camera, 'its lines differ in length');
    for (const pixel of line as unknown[]) {
      if (!Array.isArray(pixel) || pixel.length !== 3)
        throw undecodable(camera, 'a pixel is not three numbers');
      for (let colour = 0; colour < 3; colour++) {
        const level: unknown = pixel[colour];
        if (!Number.isInteger(level) || (level as number) < 0 || (level as number) > 255)
          throw undecodable(camera, 'a level is not a whole number from 0 to 255');
        rgb[at++] = level as number;
      }
    }
  }
  return { width, height, rgb };
}

function fromBase64(camera: string, text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64; a picture that lost bytes so is not the one that was sent.
  const digits = text.replace(/=+$/, '').length;
  if (bytes.length !== Math.floor((digits * 3) / 4)) throw undecodable(camera, 'its data is not base64');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const undecodable = (camera: string, reason: string) =>
  new MyelinError('PICTURE_UNDECODABLE', { camera, reason });
