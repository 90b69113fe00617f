/**
 * Turns packed YUYV (two pixels in four bytes: Y0 U Y1 V) into RGB. BT.601 with video range (Y 16 to 235), which is what
 * USB cameras send, in 8-bit fixed point: within 1 of the exact values.
 */
export function yuyvToRgb(
  yuyv: Uint8Array,
  width: number,
  height: number,
  stride: number,
  rgb: Uint8Array,
): void {
  const pairs = width >> 1;
  let to = 0;
  for (let row = 0; row < height; row++) {
    let from = row * stride;
    for (let pair = 0; pair < pairs; pair++, from += 4) {
      const u = yuyv[from + 1]! - 128;
      const v = yuyv[from + 3]! - 128;
      const red = 409 * v + 128;
      const green = -100 * u - 208 * v + 128;
      const blue = 516 * u + 128;
      const first = 298 * (yuyv[from]! - 16);
      const second = 298 * (yuyv[from + 2]! - 16);
      rgb[to] = clamp((first + red) >> 8);
      rgb[to + 1] = clamp((first + green) >> 8);
      rgb[to + 2] = clamp((first + blue) >> 8);
      rgb[to + 3] = clamp((second + red) >> 8);
      rgb[to + 4] = clamp((second + green) >> 8);
      rgb[to + 5] = clamp((second + blue) >> 8);
      to += 6;
    }
  }
}

const clamp = (value: number): number => Math.max(0, Math.min(255, value));

/** Copies RGB rows that may be padded. */
export function packRgb(
  bytes: Uint8Array,
  width: number,
  height: number,
  stride: number,
  rgb: Uint8Array,
): void {
  for (let row = 0; row < height; row++) {
    rgb.set(bytes.subarray(row * stride, row * stride + 3 * width), row * 3 * width);
  }
}
