import { MyelinError } from '../../core/errors.ts';
import { elements, type NdArray } from './ndarray.ts';

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** `height * width * 3` bytes, rows from the top. */
  readonly rgb: Uint8Array;
}

/** Whether an array looks like a picture: three axes (or four, the first 1), one of them the three colours. */
export const isPicture = ({ shape }: NdArray): boolean => {
  const axes = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  return axes.length === 3 && (axes[0] === 3 || axes[2] === 3);
};

/**
 * A picture as openpi clients send it, to RGB bytes: uint8 as it is, float in [0, 1] times 255 (rounded down, as
 * openpi does), colours last or first. Bytes that are in order already are not copied.
 * @param layout which one when both could be
 * @throws MyelinError PICTURE_UNDECODABLE
 */
export function readPicture(camera: string, array: NdArray, layout: 'HWC' | 'CHW'): RgbPicture {
  const fail = (reason: string) =>
    new MyelinError('PICTURE_UNDECODABLE', { camera: camera.slice(0, 60), reason });
  const found = `${array.dtype} [${array.shape.join(', ')}]`;
  if (!isPicture(array)) throw fail(`it is ${found}, not [height, width, 3] or [3, height, width]`);
  const [first = 0, second = 0, third = 0] = array.shape.slice(-3);
  const last = third === 3 && (first !== 3 || layout === 'HWC');
  const [height, width] = last ? [first, second] : [second, third];
  if (width === 0 || height === 0) throw fail(`it is empty: ${found}`);
  const levels = array.kind === 'u1' ? array.data : fromUnit(elements(array), fail, found);
  return { width, height, rgb: last ? levels : interleave(levels, width * height) };
}

function fromUnit(
  values: ReturnType<typeof elements>,
  fail: (reason: string) => MyelinError,
  found: string,
): Uint8Array {
  if (!(values instanceof Float32Array || values instanceof Float64Array))
    throw fail(`it is ${found}: only uint8 and floats are pictures`);
  const levels = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!(value >= -0.001 && value <= 1.001))
      throw fail(`it holds ${value}, where floats must be from 0 to 1`);
    levels[i] = Math.max(0, Math.min(255, Math.floor(value * 255)));
  }
  return levels;
}

/** Planes of red, green and blue to pixels. */
function interleave(planes: Uint8Array, pixels: number): Uint8Array {
  const rgb = new Uint8Array(3 * pixels);
  for (let colour = 0; colour < 3; colour++) {
    const plane = planes.subarray(colour * pixels, (colour + 1) * pixels);
    for (let i = 0, at = colour; i < pixels; i++, at += 3) rgb[at] = plane[i] as number;
  }
  return rgb;
}

/** Pixels to planes of red, green and blue: [3, height, width]. */
export function toPlanes(rgb: Uint8Array): Uint8Array {
  const pixels = rgb.length / 3;
  const planes = new Uint8Array(rgb.length);
  for (let colour = 0; colour < 3; colour++) {
    for (let i = 0, at = colour; i < pixels; i++, at += 3) planes[colour * pixels + i] = rgb[at] as number;
  }
  return planes;
}
