import { randomBytes } from 'node:crypto';
import { MyelinError } from '../../core/errors.ts';
import type { CameraFrame } from '../../core/observation.ts';
import type { PolicySpec } from '../../policies/policy.ts';
import { NdArray, toNumbers } from '../openpi/ndarray.ts';
import { matchCameras, type NamedPicture } from '../pictures/camera-match.ts';
import type { Rgb } from '../pictures/resize-with-pad.ts';
import type { ImageMessage } from './messages.ts';
import { readImage } from './read-image.ts';

export interface ReadImagesOptions {
  readonly cameras?: Readonly<Record<string, string>> | undefined;
  /** Makes up a picture for one that cannot be decoded. Default false. */
  readonly allowRandomImages?: boolean | undefined;
  /** Monotonic time, ns. */
  readonly nowNs: number;
}

const RANDOM_SIDE = 224;

/**
 * The pictures of a request by the policy's camera names, and which of them were made up.
 * @throws MyelinError PICTURE_UNDECODABLE, OBSERVATION_MISMATCH
 */
export async function readImages(
  images: Readonly<Record<string, ImageMessage>>,
  spec: PolicySpec,
  options: ReadImagesOptions,
): Promise<{ cameras: Map<string, CameraFrame>; madeUp: string[] }> {
  const madeUp: string[] = [];
  const read = async ([name, image]: [string, ImageMessage]): Promise<NamedPicture> => {
    const picture = await readImage(name, image).catch((thrown: unknown): Rgb => {
      if (!options.allowRandomImages) throw thrown;
      madeUp.push(name);
      return { width: RANDOM_SIDE, height: RANDOM_SIDE, rgb: randomBytes(3 * RANDOM_SIDE ** 2) };
    });
    return { name, frame: { ...picture, capturedNs: options.nowNs, sequence: 0 } };
  };
  const pictures = await Promise.all(Object.entries(images).map(read));
  return { cameras: matchCameras(pictures, spec.cameras, options), madeUp };
}

/** Numbers as the client sent them, one axis. @throws MyelinError OBSERVATION_MISMATCH */
export function readState(state: readonly number[] | NdArray | null | undefined): Float64Array {
  const values = state instanceof NdArray ? toNumbers(state) : Float64Array.from(state ?? []);
  if (values?.every(Number.isFinite)) return values;
  const advice = 'Check the sensors.';
  throw new MyelinError('OBSERVATION_MISMATCH', { needed: 'finite state numbers', found: 'others', advice });
}

/** `[rows][numbers]`, possibly in one more list, to one after the other. @throws MyelinError MESSAGE_INVALID */
export function flatten(name: string, value: readonly unknown[] | NdArray): Float64Array {
  const list = value instanceof NdArray ? [...(toNumbers(value) ?? [Number.NaN])] : value.flat(2);
  if (list.length <= 100_000 && list.every((item) => typeof item === 'number' && Number.isFinite(item)))
    return Float64Array.from(list as number[]);
  throw new MyelinError('MESSAGE_INVALID', { detail: `${name}: expected lists of finite numbers` });
}
