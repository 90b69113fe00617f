import type { Rgb } from './resize-with-pad.ts';

/** Pixels a picture may have: 16 million, more than any camera of a robot. */
const MOST_PIXELS = 2 ** 24;

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, i) => bytes[i] === byte);

/** `jpeg` or `png` by the first bytes; other formats are not decoded at all. */
export function pictureFormat(bytes: Uint8Array): 'jpeg' | 'png' | undefined {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return 'jpeg';
  return startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) ? 'png' : undefined;
}

/**
 * A JPEG or PNG picture as RGB, without transparency, as it is stored (a camera's turn noted beside is not heeded).
 * Works on other threads; the event loop goes on.
 * @throws Error with what is wrong, when it is cut short, damaged, too large or of another format
 */
export async function decodePicture(bytes: Uint8Array): Promise<Rgb> {
  if (pictureFormat(bytes) === undefined) throw new Error('it is neither JPEG nor PNG');
  const { default: sharp } = await import('sharp');
  const { data, info } = await sharp(bytes, { limitInputPixels: MOST_PIXELS, failOn: 'truncated' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`it has ${info.channels} channels, not 3`);
  return {
    width: info.width,
    height: info.height,
    rgb: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}
