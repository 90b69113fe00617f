export interface Rgb {
  readonly width: number;
  readonly height: number;
  /** `height * width * 3` bytes, rows from the top. */
  readonly rgb: Uint8Array;
}

/**
 * Fits a picture into `width` x `height` without changing its proportions, centred on black, as openpi's clients do
 * before they send. Bilinear with antialiasing; levels differ from PIL's by rounding. Off the event loop.
 */
export async function resizeWithPad(picture: Rgb, width: number, height: number): Promise<Rgb> {
  if (picture.width === width && picture.height === height) return picture;
  const ratio = Math.max(picture.width / width, picture.height / height);
  const fitted = {
    width: Math.max(1, Math.floor(picture.width / ratio)),
    height: Math.max(1, Math.floor(picture.height / ratio)),
  };
  const { default: sharp } = await import('sharp');
  const raw = { width: picture.width, height: picture.height, channels: 3 as const };
  const small = await sharp(picture.rgb, { raw })
    .resize({ ...fitted, fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false })
    .raw()
    .toBuffer();
  const rgb = new Uint8Array(3 * width * height);
  const left = Math.floor((width - fitted.width) / 2);
  const top = Math.floor((height - fitted.height) / 2);
  for (let row = 0; row < fitted.height; row++) {
    const from = 3 * fitted.width * row;
    rgb.set(small.subarray(from, from + 3 * fitted.width), 3 * ((top + row) * width + left));
  }
  return { width, height, rgb };
}
