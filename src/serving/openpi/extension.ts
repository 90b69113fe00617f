import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { RealTimeChunk, RealTimeSupport, Subtask } from '../../policies/policy.ts';
import { float32Array, float64Array, NdArray, toNumbers } from './ndarray.ts';
import { toPlain, type WireMap, type WireValue, wireMap } from './wire-value.ts';

/** Key of our additions in requests, answers and metadata. It is never sent to a peer that did not ask for it. */
export const EXTENSION = 'myelin';
/** Header by which a client asks for the description of the policy in the metadata. */
export const EXTENSION_HEADER = 'myelin-extensions';

const numbers = z.instanceof(NdArray).transform((array, context) => {
  const values = toNumbers(array);
  if (values?.every(Number.isFinite)) return values;
  context.addIssue({ code: 'custom', message: 'must hold finite numbers' });
  return z.NEVER;
});
const count = z.int().min(0).max(100_000);
const uint32 = z.int().min(0).max(0xffff_ffff);

const modeSchema = z.enum(['guided', 'trained']);
const scheduleSchema = z.enum(['linear', 'exp', 'ones', 'zeros']);
const guidance = z.number().positive().max(1e6);

/** The settings of a request beside the previous chunk; also as pi0.5's messages have them. */
export const realTimeSettings = {
  delay_steps: count,
  execution_horizon: count.min(1).optional(),
  schedule: scheduleSchema.optional(),
  max_guidance: guidance.optional(),
  mode: modeSchema,
};

/** What a server says of continuing chunks. */
export const realTimeSupportSchema = z
  .object({
    mode: modeSchema,
    trained_delay: count,
    execution_horizon: count.min(1),
    schedule: scheduleSchema,
    max_guidance: guidance,
  })
  .transform(
    (wire): RealTimeSupport => ({
      mode: wire.mode,
      trainedDelay: wire.trained_delay,
      executionHorizon: wire.execution_horizon,
      schedule: wire.schedule,
      maxGuidance: wire.max_guidance,
    }),
  );

/** The same the other way. */
export const plainRealTimeSupport = (support: RealTimeSupport) => ({
  mode: support.mode,
  trained_delay: support.trainedDelay,
  execution_horizon: support.executionHorizon,
  schedule: support.schedule,
  max_guidance: support.maxGuidance,
});

/** A request's settings by our names. */
export function readRealTimeSettings(
  wire: z.infer<z.ZodObject<typeof realTimeSettings>>,
): Omit<RealTimeChunk, 'previous' | 'rows'> {
  const { delay_steps: delaySteps, execution_horizon, schedule, max_guidance, mode } = wire;
  return {
    delaySteps,
    mode,
    ...(execution_horizon === undefined ? {} : { executionHorizon: execution_horizon }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(max_guidance === undefined ? {} : { maxGuidance: max_guidance }),
  };
}

/** A request's settings by the wire's names. */
export const plainRealTimeSettings = (chunk: RealTimeChunk) => ({
  delay_steps: chunk.delaySteps,
  execution_horizon: chunk.executionHorizon,
  schedule: chunk.schedule,
  max_guidance: chunk.maxGuidance,
  mode: chunk.mode,
});

const realTimeChunkSchema = z.strictObject({
  previous: numbers,
  rows: count.min(1),
  ...realTimeSettings,
});

const subtaskSchema = z.strictObject({
  /** Words of one's own; without them the policy is asked. */
  text: z.string().max(1000).optional(),
  max_decoding_steps: z.int().min(1).max(1000).optional(),
  temperature: z.number().min(0).max(10).optional(),
  /** Whether the words alone are wanted, without actions. */
  only: z.boolean().optional(),
});

const schema = z.strictObject({
  request_id: z.union([z.string().max(200), z.int()]).optional(),
  timestep: z.int().min(0).optional(),
  deadline_ms: z.number().min(1).max(3_600_000).optional(),
  reset: z.boolean().optional(),
  observe: z.boolean().optional(),
  noise: numbers.optional(),
  seed: uint32.optional(),
  num_steps: z.int().min(1).max(1000).optional(),
  subtask: subtaskSchema.optional(),
  real_time_chunk: realTimeChunkSchema.optional(),
});

export interface SubtaskRequest {
  /** Words of the client's own; without them the policy is asked. */
  readonly text?: string | undefined;
  readonly maxDecodingSteps: number;
  readonly temperature: number;
  /** Whether the words alone are wanted, without actions. */
  readonly only?: boolean | undefined;
}

/** Our additions to a request. */
export interface ExtendedRequest {
  readonly requestId?: string | number | undefined;
  /** Policy step of the observation. Default: one more than at the previous request. */
  readonly timestep?: number | undefined;
  readonly deadlineMs?: number | undefined;
  /** Whether a new episode begins with this request. */
  readonly reset?: boolean | undefined;
  /** Whether the observation is only shown, for a policy that looks back; the answer holds no actions. */
  readonly observe?: boolean | undefined;
  readonly noise?: Float32Array | undefined;
  readonly seed?: number | undefined;
  readonly flowSteps?: number | undefined;
  readonly subtask?: SubtaskRequest | undefined;
  readonly realTimeChunk?: RealTimeChunk | undefined;
}

/**
 * Reads our additions to a request; undefined when there are none.
 * @throws MyelinError MESSAGE_INVALID
 */
export function readExtension(value: WireValue | undefined): ExtendedRequest | undefined {
  if (value === undefined) return undefined;
  const parsed = schema.safeParse(toPlain(value));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new MyelinError('MESSAGE_INVALID', {
      detail: `${[EXTENSION, ...(issue?.path ?? [])].join('.')}: ${issue?.message}`,
    });
  }
  const { data } = parsed;
  return {
    requestId: data.request_id,
    timestep: data.timestep,
    deadlineMs: data.deadline_ms,
    reset: data.reset,
    observe: data.observe,
    noise: data.noise === undefined ? undefined : Float32Array.from(data.noise),
    seed: data.seed,
    flowSteps: data.num_steps,
    subtask: data.subtask && {
      text: data.subtask.text,
      maxDecodingSteps: data.subtask.max_decoding_steps ?? 25,
      temperature: data.subtask.temperature ?? 0.1,
      only: data.subtask.only,
    },
    realTimeChunk: data.real_time_chunk && {
      previous: data.real_time_chunk.previous,
      rows: data.real_time_chunk.rows,
      ...readRealTimeSettings(data.real_time_chunk),
    },
  };
}

/** The same the other way, for a server that said it understands. */
export function writeExtension(request: ExtendedRequest): WireMap {
  const { noise, subtask, realTimeChunk: chunk } = request;
  return wireMap({
    request_id: request.requestId,
    timestep: request.timestep,
    deadline_ms: request.deadlineMs,
    reset: request.reset,
    observe: request.observe,
    noise: noise && float32Array(noise),
    seed: request.seed,
    num_steps: request.flowSteps,
    subtask:
      subtask &&
      wireMap({
        text: subtask.text,
        max_decoding_steps: subtask.maxDecodingSteps,
        temperature: subtask.temperature,
        only: subtask.only,
      }),
    real_time_chunk:
      chunk &&
      wireMap({
        previous: float64Array(chunk.previous, [chunk.rows, chunk.previous.length / chunk.rows]),
        rows: chunk.rows,
        ...plainRealTimeSettings(chunk),
      }),
  });
}

/** The part of our additions to an answer that a request for words alone gets too. */
export const subtaskEntries = (
  { requestId }: ExtendedRequest,
  subtask: (Pick<Subtask, 'text'> & Partial<Subtask>) | undefined,
): WireMap => wireMap({ request_id: requestId, subtask: subtask?.text, subtask_tokens: subtask?.tokens });
