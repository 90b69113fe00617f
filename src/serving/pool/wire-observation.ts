import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { CameraFrame, Observation } from '../../core/observation.ts';
import { float64Array, NdArray, toNumbers } from '../openpi/ndarray.ts';
import { type WireMap, wireMap } from '../openpi/wire-value.ts';
import { decodePicture, pictureFormat } from '../pictures/decode-picture.ts';

const bytes = z.instanceof(Uint8Array);
const extent = z.int().min(1).max(16_384);

/** A vector of finite float64. */
export const vectorSchema = z.instanceof(NdArray).transform((array, context) => {
  const values = array.shape.length === 1 && array.size <= 10_000 ? toNumbers(array) : undefined;
  if (values?.every(Number.isFinite)) return values;
  context.addIssue({ code: 'custom', message: 'must be a vector of finite numbers' });
  return z.NEVER;
});

const cameraSchema = z.strictObject({
  name: z.string().min(1).max(200),
  width: extent,
  height: extent,
  /** `rgb8` is `height * width * 3` bytes. */
  format: z.enum(['rgb8', 'jpeg']),
  data: bytes,
  /** Nanoseconds from capture to the reading of the state. Clocks of two machines are not compared. */
  age_ns: z.number(),
  sequence: z.int().min(0),
});

export const observationSchema = z.strictObject({
  timestep: z.int().min(0),
  state: vectorSchema,
  velocity: vectorSchema,
  cameras: z.array(cameraSchema).max(32),
  task: z.string().max(10_000),
  objects: z.record(z.string().max(200), vectorSchema).optional(),
});

/**
 * An observation as it travels.
 * @param jpegQuality 1 to 100 sends pictures as JPEG of that quality: a tenth of the bytes, not quite the same
 *   picture. Undefined sends them as they are.
 */
export async function writeObservation(observation: Observation, jpegQuality?: number): Promise<WireMap> {
  const { timestep, state, velocity, cameras, task, objects, timestampNs } = observation;
  const pictures = [...cameras].map(async ([name, frame]) =>
    wireMap({
      name,
      width: frame.width,
      height: frame.height,
      ...(jpegQuality === undefined
        ? { format: 'rgb8', data: frame.rgb }
        : { format: 'jpeg', data: await toJpeg(frame, jpegQuality) }),
      age_ns: timestampNs - frame.capturedNs,
      sequence: frame.sequence,
    }),
  );
  return wireMap({
    timestep,
    state: float64Array(state),
    velocity: float64Array(velocity),
    cameras: await Promise.all(pictures),
    task,
    objects: objects && new Map([...objects].map(([name, pose]) => [name, float64Array(pose)])),
  });
}

/**
 * @param nowNs monotonic time here, which the observation is given
 * @throws MyelinError PICTURE_UNDECODABLE
 */
export async function readObservation(
  wire: z.infer<typeof observationSchema>,
  nowNs: number,
): Promise<Observation> {
  const { timestep, state, velocity, task, objects } = wire;
  const cameras = await Promise.all(
    wire.cameras.map(async ({ name, width, height, format, data, age_ns, sequence }) => {
      const rgb = format === 'jpeg' ? await fromJpeg(name, data, width, height) : data;
      if (rgb.length !== 3 * width * height)
        throw undecodable(name, `it has ${rgb.length} bytes, not ${width} x ${height} x 3`);
      const frame: CameraFrame = { name, width, height, rgb, capturedNs: nowNs - age_ns, sequence };
      return [name, frame] as const;
    }),
  );
  return {
    timestep,
    timestampNs: nowNs,
    state,
    velocity,
    cameras: new Map(cameras),
    task,
    ...(objects === undefined ? {} : { objects: new Map(Object.entries(objects)) }),
  };
}

async function toJpeg({ rgb, width, height }: CameraFrame, quality: number): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toBuffer();
}

async function fromJpeg(name: string, data: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  if (pictureFormat(data) !== 'jpeg') throw undecodable(name, 'it is no JPEG');
  const { rgb, ...is } = await decodePicture(data).catch((cause: unknown) => {
    throw undecodable(name, firstLine(cause), cause);
  });
  if (is.width === width && is.height === height) return rgb;
  throw undecodable(name, `it is ${is.width} x ${is.height}, not ${width} x ${height}`);
}

const firstLine = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';

const undecodable = (camera: string, reason: string, cause?: unknown) =>
  new MyelinError('PICTURE_UNDECODABLE', { camera: camera.slice(0, 60), reason }, { cause });
