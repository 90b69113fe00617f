import sharp from 'sharp';

// Every picture is another one: a cache of decoded ones would only hold memory, and one thread decodes 300 a second.
sharp.cache(false);
sharp.concurrency(1);

/**
 * Decodes one picture of a motion JPEG stream (baseline; the standard Huffman tables may be left out) off this thread.
 * False when it is cut, damaged or of another size than agreed. Bytes too many before a marker, which many USB
 * cameras send, are no damage.
 */
export async function decodeJpeg(
  bytes: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
  rgb: Uint8Array,
): Promise<boolean> {
  try {
    const { data, info } = await sharp(bytes, {
      failOn: 'error',
      limitInputPixels: width * height,
    })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.width !== width || info.height !== height || info.channels !== 3) return false;
    rgb.set(data);
    return true;
  } catch {
    return false; // The caller counts it as a damaged picture and waits for the next.
  }
}
