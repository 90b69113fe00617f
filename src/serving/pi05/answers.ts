import { z } from 'zod';
import type { PolicySpec } from '../../policies/policy.ts';
import { EXTENSION, plainRealTimeSupport, realTimeSupportSchema } from '../openpi/extension.ts';
import { NdArray } from '../openpi/ndarray.ts';
import { DEFAULTS } from './messages.ts';

const id = z.union([z.string(), z.number()]).optional();
const milliseconds = z.number();

/** The first message of a server. */
export const metadataSchema = z.object({
  server_type: z.string(),
  version: z.string(),
  capabilities: z.array(z.string()),
  max_decoding_steps: z.number().optional(),
  supported_image_types: z.array(z.string()).optional(),
  image_encodings: z.array(z.string()).optional(),
  frame_encodings: z.array(z.string()).optional(),
  // The rest only Myelin servers tell.
  required_image_types: z.array(z.string()).optional(),
  /** Height and width of cameras whose pictures must have that size. */
  image_sizes: z.record(z.string(), z.tuple([z.int().positive(), z.int().positive()])).optional(),
  state_dim: z.int().nonnegative().optional(),
  action_dim: z.int().positive().optional(),
  action_horizon: z.int().positive().optional(),
  step_period_s: z.number().positive().optional(),
  /** Whether the policy wants to be shown every step's observation. */
  looks_back: z.boolean().optional(),
  /** Only where the client asked for it, with the header `Myelin-Extensions: 1`. */
  [EXTENSION]: z.object({ real_time_chunking: realTimeSupportSchema.optional() }).optional(),
});

export const successSchema = z.object({
  status: z.literal('success'),
  request_id: id,
  /** [1][rows][numbers]; null when no actions were asked for. */
  actions: z.union([z.array(z.array(z.array(z.number()))), z.instanceof(NdArray)]).nullable(),
  subtask: z.string().nullable(),
  subtask_tokens: z.array(z.number()).nullable(),
  state: z.union([z.array(z.number()), z.instanceof(NdArray)]).nullable(),
  timing: z.object({
    total_ms: milliseconds.optional(),
    action_ms: milliseconds.optional(),
    subtask_ms: milliseconds.optional(),
  }),
  server_timing: z.object({ total_ms: milliseconds, queue_ms: milliseconds.optional() }),
  subtask_refresh_enabled: z.boolean(),
  subtask_refresh_interval: z.number().nullable().optional(),
  /** Why the subtask was not acted on; there only when it was not. */
  subtask_fault: z.string().optional(),
  /** Cameras whose picture could not be decoded and was made up; there only under --allow-random-images. */
  random_images: z.array(z.string()).optional(),
});

export const errorSchema = z.object({
  status: z.literal('error'),
  error: z.string(),
  code: z.string().optional(),
  request_id: id,
});

export const refreshSchema = z.object({
  type: z.literal('subtask_refresh'),
  subtask: z.string(),
  subtask_tokens: z.array(z.number()),
  refresh_count: z.number(),
  /** Unix time, s. */
  timestamp: z.number(),
});

/** A refresh that failed; only clients that asked for our additions are told. */
export const refreshErrorSchema = z.object({
  type: z.literal('subtask_refresh_error'),
  error: z.string(),
  code: z.string().optional(),
});

export type Pi05Metadata = z.infer<typeof metadataSchema>;
export type Pi05Answer = z.infer<typeof successSchema>;
export type Pi05Error = z.infer<typeof errorSchema>;
export type SubtaskRefresh = z.infer<typeof refreshSchema>;

/** Camera slots of pi0.5, for policies that look at none. */
const SLOTS = ['base_0_rgb', 'left_wrist_0_rgb', 'right_wrist_0_rgb'];

/**
 * The server's first message; the first five keys are the seed's.
 * @param looksBack whether the policy wants every step's observation
 * @param extended whether the client asked for our additions
 */
export const describeServer = (spec: PolicySpec, looksBack: boolean, extended: boolean) => ({
  server_type: 'AsyncPi05Inference',
  version: '1.0.0',
  capabilities: [...(spec.subtasks ? ['subtask_generation'] : []), 'action_prediction'],
  max_decoding_steps: DEFAULTS.maxDecodingSteps,
  supported_image_types: spec.cameras.length > 0 ? spec.cameras.map(({ name }) => name) : SLOTS,
  required_image_types: spec.cameras.filter(({ optional }) => !optional).map(({ name }) => name),
  ...sizesOf(spec),
  image_encodings: ['nested', 'raw', 'jpeg', 'png'],
  frame_encodings: ['json', 'msgpack'],
  state_dim: spec.stateNames.length,
  action_dim: spec.actionNames.length,
  action_horizon: spec.chunkRows,
  ...(spec.stepPeriodS === undefined ? {} : { step_period_s: spec.stepPeriodS }),
  ...(looksBack ? { looks_back: true } : {}),
  ...(extended
    ? { [EXTENSION]: { real_time_chunking: spec.realTime && plainRealTimeSupport(spec.realTime) } }
    : {}),
});

function sizesOf({ cameras }: PolicySpec): Pick<Pi05Metadata, 'image_sizes'> {
  const sized = cameras.flatMap(({ name, width, height }) =>
    width === undefined || height === undefined ? [] : [[name, [height, width] as [number, number]] as const],
  );
  return sized.length === 0 ? {} : { image_sizes: Object.fromEntries(sized) };
}
