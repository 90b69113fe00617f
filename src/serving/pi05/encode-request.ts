import type { RealTimeChunk } from '../../policies/policy.ts';
import { plainRealTimeSettings } from '../openpi/extension.ts';
import { uint8Array } from '../openpi/ndarray.ts';
import type { Rgb } from '../pictures/resize-with-pad.ts';

/** How pictures travel: as the seed's nested lists; as base64 in JSON; or as bytes in MessagePack frames. */
export type ImageEncoding = 'nested' | 'raw' | 'jpeg' | 'msgpack' | 'msgpack-jpeg';

/** What a client sees. */
export interface Pi05Observation {
  /** By camera name. */
  readonly images: Readonly<Record<string, Rgb>>;
  readonly state?: readonly number[];
  readonly highLevelPrompt: string;
}

/** A request; what is left out is as the server's defaults say. */
export interface Pi05Request extends Pi05Observation {
  readonly lowLevelPrompt?: string;
  readonly generateSubtask?: boolean;
  readonly generateActions?: boolean;
  readonly maxDecodingSteps?: number;
  readonly temperature?: number;
  /** [rows][numbers]. */
  readonly noise?: readonly (readonly number[])[];
  /** Seconds between refreshes; null stops them. */
  readonly subtaskRefreshInterval?: number | null;
  /** The rest only Myelin servers heed. */
  readonly seed?: number;
  readonly flowSteps?: number;
  readonly timestep?: number;
  readonly reset?: boolean;
  readonly realTimeChunk?: RealTimeChunk;
}

const JPEG_QUALITY = 90;

/** The pictures and the state of an observation, as they travel. */
export async function encodeObservation(
  { images, state }: Pick<Pi05Observation, 'images' | 'state'>,
  encoding: ImageEncoding,
): Promise<Record<string, unknown>> {
  const encoded = await Promise.all(
    Object.entries(images).map(
      async ([name, picture]) => [name, await encodeImage(picture, encoding)] as const,
    ),
  );
  return { images: Object.fromEntries(encoded), ...(state === undefined ? {} : { state: [...state] }) };
}

/** A request under the seed's names, but for its pictures and state. */
export function encodeParameters(request: Pi05Request): Record<string, unknown> {
  const { realTimeChunk: chunk } = request;
  return {
    high_level_prompt: request.highLevelPrompt,
    low_level_prompt: request.lowLevelPrompt,
    generate_subtask: request.generateSubtask,
    generate_actions: request.generateActions,
    max_decoding_steps: request.maxDecodingSteps,
    temperature: request.temperature,
    noise: request.noise,
    subtask_refresh_interval: request.subtaskRefreshInterval,
    seed: request.seed,
    num_steps: request.flowSteps,
    timestep: request.timestep,
    reset: request.reset,
    real_time_chunk: chunk && {
      previous: Array.from({ length: chunk.rows }, (_, row) => {
        const dof = chunk.previous.length / chunk.rows;
        return [...chunk.previous.subarray(row * dof, (row + 1) * dof)];
      }),
      ...plainRealTimeSettings(chunk),
    },
  };
}

async function encodeImage({ width, height, rgb }: Rgb, encoding: ImageEncoding): Promise<unknown> {
  if (encoding === 'nested') return nest(rgb, width, height);
  if (encoding === 'msgpack') return uint8Array(rgb, [height, width, 3]);
  if (encoding === 'raw') return { encoding: 'raw', width, height, data: toBase64(rgb) };
  const { default: sharp } = await import('sharp');
  const data = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
  return { encoding: 'jpeg', data: encoding === 'jpeg' ? data.toString('base64') : data };
}

function nest(rgb: Uint8Array, width: number, height: number): number[][][] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const at = 3 * (y * width + x);
      return [rgb[at] as number, rgb[at + 1] as number, rgb[at + 2] as number];
    }),
  );
}

const toBase64 = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');
