import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { realTimeSettings } from '../openpi/extension.ts';
import { NdArray } from '../openpi/ndarray.ts';

/** Limits of everything a client sends; `docs/protocols/pi05.md` repeats them. */
export const LIMITS = {
  images: 16,
  nameLength: 64,
  promptLength: 4096,
  stateLength: 1024,
  decodingSteps: 256,
  temperature: 10,
  refreshMinS: 0.05,
  refreshMaxS: 3600,
} as const;

/** What the seed's server assumes where a request says nothing. */
export const DEFAULTS = { maxDecodingSteps: 25, temperature: 0.1 } as const;

/** What the documented client sends for "no low-level prompt". */
const NO_PROMPT = 'ABCDEFG';

const side = z.int().min(1).max(8192);
const base64 = z.string().max(64 * 1024 * 1024);
const bytes = z.instanceof(Uint8Array);

/** Nested lists are checked while they are copied; a schema would take longer than the picture. */
const nested = z.array(z.unknown()).min(1).max(8192);

const imageSchema = z.union([
  nested,
  z.instanceof(NdArray),
  z.strictObject({ encoding: z.enum(['jpeg', 'png']), data: z.union([base64, bytes]) }),
  z.strictObject({ encoding: z.literal('raw'), width: side, height: side, data: z.union([base64, bytes]) }),
]);

const numbers = z.union([z.array(z.number()).max(LIMITS.stateLength), z.instanceof(NdArray)]);
const imagesSchema = z
  .record(z.string().min(1).max(LIMITS.nameLength), imageSchema)
  .refine((images) => Object.keys(images).length <= LIMITS.images, `at most ${LIMITS.images} images`);
const prompt = z.string().max(LIMITS.promptLength);
const requestId = z.union([z.string().max(200), z.int()]).optional();
/** Seconds; null or 0 stops a refresh that runs. */
const interval = z
  .union([z.literal(0), z.number().min(LIMITS.refreshMinS).max(LIMITS.refreshMaxS)])
  .nullable()
  .optional();
const decoding = {
  max_decoding_steps: z.int().min(1).max(LIMITS.decodingSteps).default(DEFAULTS.maxDecodingSteps),
  temperature: z.number().min(0).max(LIMITS.temperature).default(DEFAULTS.temperature),
};

const realTimeChunkSchema = z.strictObject({
  previous: z.union([
    z.array(z.array(z.number()).min(1).max(LIMITS.stateLength)).min(1).max(1024),
    z.instanceof(NdArray),
  ]),
  ...realTimeSettings,
});

const inferSchema = z.object({
  type: z.literal('infer').optional(),
  request_id: requestId,
  images: imagesSchema.refine((images) => Object.keys(images).length > 0, 'at least one image'),
  high_level_prompt: prompt,
  low_level_prompt: prompt
    .nullable()
    .optional()
    .transform((text) => (text === NO_PROMPT || text === '' || text === null ? undefined : text)),
  state: numbers.nullable().optional(),
  generate_subtask: z.boolean().optional(),
  generate_actions: z.boolean().default(true),
  ...decoding,
  noise: z
    .union([z.array(z.unknown()).max(4096), z.instanceof(NdArray)])
    .nullable()
    .optional(),
  subtask_refresh_interval: interval,
  // Myelin's own.
  seed: z.int().min(0).max(0xffff_ffff).optional(),
  num_steps: z.int().min(1).max(1000).optional(),
  deadline_ms: z.number().min(1).max(3_600_000).optional(),
  timestep: z.int().min(0).optional(),
  reset: z.boolean().default(false),
  real_time_chunk: realTimeChunkSchema.optional(),
});

const updateSchema = z.object({
  type: z.literal('update_observation'),
  request_id: requestId,
  images: imagesSchema.optional(),
  state: numbers.nullable().optional(),
  high_level_prompt: prompt.optional(),
  subtask_refresh_interval: interval,
  // Myelin's own.
  timestep: z.int().min(0).optional(),
});

export type InferMessage = z.infer<typeof inferSchema>;
export type UpdateMessage = z.infer<typeof updateSchema>;
export type ImageMessage = z.infer<typeof imageSchema>;

/** @throws MyelinError MESSAGE_INVALID with the first field that is wrong */
export function readClientMessage(value: unknown): InferMessage | UpdateMessage {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  if (type !== undefined && type !== 'infer' && type !== 'update_observation') {
    throw new MyelinError('MESSAGE_INVALID', {
      detail: 'type: expected "infer" or "update_observation", or none',
    });
  }
  const parsed = type === 'update_observation' ? updateSchema.safeParse(value) : inferSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.').slice(0, 200);
  throw new MyelinError('MESSAGE_INVALID', { detail: `${path || 'the message'}: ${issue?.message}` });
}

export const isUpdate = (message: InferMessage | UpdateMessage): message is UpdateMessage =>
  message.type === 'update_observation';

/** The id of a message that may be anything, to answer its faults with. */
export function requestIdOf(value: unknown): string | number | undefined {
  const id =
    typeof value === 'object' && value !== null && 'request_id' in value ? value.request_id : undefined;
  return (typeof id === 'string' && id.length <= 200) || Number.isInteger(id)
    ? (id as string | number)
    : undefined;
}
