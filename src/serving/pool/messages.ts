import { z } from 'zod';
import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { PolicySpec, Subtask } from '../../policies/policy.ts';
import type { RequestTiming } from '../engine/request.ts';
import { plainRealTimeSupport, realTimeSupportSchema } from '../openpi/extension.ts';
import { readMessage } from '../openpi/msgpack-reader.ts';
import { float64Array, NdArray, toNumbers } from '../openpi/ndarray.ts';
import { isMap, toPlain, type WireMap, type WireValue, wireMap } from '../openpi/wire-value.ts';
import { loadReportSchema } from './load-report.ts';
import { ID } from './subjects.ts';
import { wireErrorSchema } from './wire-error.ts';
import { observationSchema } from './wire-observation.ts';

const id = z.string().regex(ID);
const words = z.string().max(200);
const wireMapSchema = z.custom<WireMap>((value) => isMap(value as WireValue));

/** Whose request it is. Every request says so: a worker opens the session that it does not know. */
const owner = {
  session: id,
  /** As load reports name it. Absent: the only one there is. */
  model: words.min(1),
  /** Who it is, for people. */
  client: words,
};

const admitSchema = z.strictObject({
  kind: z.literal('admit'),
  /** Absent: whatever the pool serves, if that is one model. */
  model: words.min(1).optional(),
  /** Workers that are not wanted: they have just failed. */
  exclude: z.array(id).max(100),
});
/** Opens a session, or renews its lease. */
const openSchema = z.strictObject({ kind: z.literal('open'), ...owner });
const inferSchema = z.strictObject({
  kind: z.literal('infer'),
  id,
  ...owner,
  observation: observationSchema,
  /** As docs/protocols/openpi.md has it. */
  options: wireMapSchema,
  subtask: z
    .strictObject({ text: z.string().max(1000), tokens: z.array(z.int()).max(1000).optional() })
    .optional(),
});
const subtaskSchema = z.strictObject({
  kind: z.literal('subtask'),
  id,
  ...owner,
  observation: observationSchema,
  deadline_ms: z.number().min(1).max(3_600_000),
  max_decoding_steps: z.int().min(1).max(1000),
  temperature: z.number().min(0).max(10),
  seed: z.int().min(0).max(0xffff_ffff).optional(),
  stop_token: z.int().min(0).optional(),
});
/** Shows an observation that no action is asked for, to a policy that looks back; it is not answered. */
const observeSchema = z.strictObject({
  kind: z.literal('observe'),
  ...owner,
  observation: observationSchema,
});
const cancelSchema = z.strictObject({ kind: z.literal('cancel'), id, session: id });
/** The session ends when what is under way has been answered. */
const closeSchema = z.strictObject({ kind: z.literal('close'), session: id });

export const requestSchema = z.discriminatedUnion('kind', [
  openSchema,
  inferSchema,
  subtaskSchema,
  observeSchema,
  cancelSchema,
  closeSchema,
]);
export const admissionSchema = admitSchema;
export type Admission = z.infer<typeof admitSchema>;
export type PoolRequest = z.infer<typeof requestSchema>;
export type InferRequest = z.infer<typeof inferSchema>;
export type SubtaskRequest = z.infer<typeof subtaskSchema>;

const timingSchema = z.strictObject({ queue_ms: z.number(), model_ms: z.number(), total_ms: z.number() });
const names = z.array(words).max(1000);
const specSchema = z.strictObject({
  name: z.string().max(1000),
  cameras: z
    .array(
      z.strictObject({
        name: words,
        width: z.int().min(1).optional(),
        height: z.int().min(1).optional(),
        optional: z.boolean().optional(),
      }),
    )
    .max(32),
  state_names: names,
  action_names: names.min(1),
  chunk_rows: z.int().min(1).max(100_000),
  action_steps: z.int().min(1).max(100_000),
  step_period_s: z.number().positive().optional(),
  subtasks: z.boolean(),
  real_time_chunking: realTimeSupportSchema.optional(),
});

const admittedSchema = z.strictObject({
  kind: z.literal('admitted'),
  model: words.min(1),
  /** Workers that serve the model, the least loaded first. */
  candidates: z.array(id).max(8),
});
const openedSchema = z.strictObject({
  kind: z.literal('opened'),
  worker: id,
  lease_ms: z.number().min(100).max(3_600_000),
  report_ms: z.number().min(10).max(60_000),
  spec: specSchema,
  /** Whether the policy was trained on every step's observation, so that another worker cannot simply stand in. */
  looks_back: z.boolean(),
});
const chunkSchema = z.strictObject({
  kind: z.literal('chunk'),
  id,
  worker: id,
  /** float64 [rows, dof], the robot's units. */
  actions: z.instanceof(NdArray),
  step_period_s: z.number().positive(),
  timestep: z.int(),
  timing: timingSchema,
});
const wordsSchema = z.strictObject({
  kind: z.literal('subtask'),
  id,
  worker: id,
  text: z.string().max(10_000),
  tokens: z.array(z.number()).max(10_000),
  timing: timingSchema,
});
const errorSchema = z.strictObject({ kind: z.literal('error'), worker: id, error: wireErrorSchema });

export const answerSchema = z.discriminatedUnion('kind', [
  admittedSchema,
  openedSchema,
  chunkSchema,
  wordsSchema,
  errorSchema,
]);
export type PoolAnswer = z.infer<typeof answerSchema>;
export type Opened = z.infer<typeof openedSchema>;
export type ChunkAnswer = z.infer<typeof chunkSchema>;

const READ_LIMITS = { depth: 8, values: 50_000 };

/**
 * Reads a message of the pool and checks every field of it.
 * @throws MyelinError MESSAGE_INVALID
 */
export function readPoolMessage<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Uint8Array,
): z.infer<Schema> {
  const value = readMessage(bytes, READ_LIMITS);
  if (!isMap(value)) throw new MyelinError('MESSAGE_INVALID', { detail: 'it is not a map' });
  // The openpi room checks its own options, as a map.
  const options = value.get('options');
  const plain = toPlain(value) as Record<string, unknown>;
  const parsed = schema.safeParse(isMap(options) ? { ...plain, options } : plain);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const detail = `${issue?.path.join('.') || 'kind'}: ${issue?.message}`;
  throw new MyelinError('MESSAGE_INVALID', { detail: detail.slice(0, 300) });
}

/** @throws MyelinError MESSAGE_INVALID */
export const readLoadReport = (bytes: Uint8Array) => readPoolMessage(loadReportSchema, bytes);

export const writeSpec = (spec: PolicySpec): WireMap =>
  wireMap({
    name: spec.name,
    cameras: spec.cameras.map((camera) => wireMap({ ...camera })),
    state_names: spec.stateNames,
    action_names: spec.actionNames,
    chunk_rows: spec.chunkRows,
    action_steps: spec.actionSteps,
    step_period_s: spec.stepPeriodS,
    subtasks: spec.subtasks,
    real_time_chunking: spec.realTime && wireMap(plainRealTimeSupport(spec.realTime)),
  });

export function readSpec(wire: Opened['spec']): PolicySpec {
  const cameras = wire.cameras.map(({ name, width, height, optional }) => ({
    name,
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(optional === undefined ? {} : { optional }),
  }));
  return {
    name: wire.name,
    cameras,
    stateNames: wire.state_names,
    actionNames: wire.action_names,
    chunkRows: wire.chunk_rows,
    actionSteps: wire.action_steps,
    ...(wire.step_period_s === undefined ? {} : { stepPeriodS: wire.step_period_s }),
    subtasks: wire.subtasks,
    ...(wire.real_time_chunking === undefined ? {} : { realTime: wire.real_time_chunking }),
  };
}

const writeTiming = ({ queueMs, modelMs, totalMs }: RequestTiming): WireMap =>
  wireMap({ queue_ms: queueMs, model_ms: modelMs, total_ms: totalMs });

export const writeChunk = (
  request: string,
  worker: string,
  chunk: ActionChunk,
  timing: RequestTiming,
): WireMap =>
  wireMap({
    kind: 'chunk',
    id: request,
    worker,
    actions: float64Array(chunk.actions, [chunk.rows, chunk.dof]),
    step_period_s: chunk.stepPeriodS,
    timestep: chunk.timestep,
    timing: writeTiming(timing),
  });

export const writeSubtask = (
  request: string,
  worker: string,
  { text, tokens }: Subtask,
  timing: RequestTiming,
): WireMap => wireMap({ kind: 'subtask', id: request, worker, text, tokens, timing: writeTiming(timing) });

/**
 * The chunk of an answer, for the observation it was asked for.
 * @throws MyelinError POLICY_OUTPUT_INVALID unless it is rows of `dof` finite numbers
 */
export function readChunk(
  answer: ChunkAnswer,
  observation: Observation,
  dof: number | undefined,
): ActionChunk {
  const { actions: array, step_period_s: stepPeriodS } = answer;
  const [rows = 0, width = 0] = array.shape;
  const actions = array.shape.length === 2 && rows > 0 && width > 0 ? toNumbers(array) : undefined;
  if (actions === undefined || (dof !== undefined && width !== dof))
    throw invalid(`${array.dtype} [${array.shape.join(', ')}], not rows of ${dof ?? 'the'} actions`);
  const bad = actions.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw invalid(`${actions[bad]} as action number ${bad}`);
  const { timestep, timestampNs: observedNs } = observation;
  return { actions, rows, dof: width, stepPeriodS, timestep, observedNs };
}

const invalid = (detail: string) => new MyelinError('POLICY_OUTPUT_INVALID', { detail });
