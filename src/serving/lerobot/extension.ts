import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { PolicySpec, RealTimeChunk } from '../../policies/policy.ts';
import type { EngineInferOptions } from '../engine/session.ts';
import { checked } from './fields.ts';
import type { InferRequest } from './protobuf.ts';

/** What our own service says beyond LeRobot's: JSON, checked at both ends. */

const MAX_JSON_BYTES = 2 ** 20;
const whole = (most: number) => z.int().nonnegative().max(most);

const modeSchema = z.enum(['guided', 'trained']);
const scheduleSchema = z.enum(['linear', 'exp', 'ones', 'zeros']);

const optionsSchema = z.strictObject({
  deadlineMs: z.number().positive().max(3_600_000).optional(),
  flowSteps: z.int().positive().max(1000).optional(),
  seed: whole(2 ** 32 - 1).optional(),
  subtask: z.string().max(10_000).optional(),
  realTimeChunk: z
    .strictObject({
      rows: whole(10_000),
      delaySteps: whole(10_000),
      executionHorizon: whole(10_000).optional(),
      schedule: scheduleSchema.optional(),
      maxGuidance: z.number().positive().max(1e6).optional(),
      mode: modeSchema,
    })
    .optional(),
});

/** Options of one inference; the previous chunk and the noise travel beside them, as numbers. */
export type InferExtras = Pick<
  EngineInferOptions,
  'deadlineMs' | 'flowSteps' | 'noise' | 'seed' | 'realTimeChunk' | 'subtask'
>;

/** Leaves out what is not there, as `exactOptionalPropertyTypes` wants. */
const present = <T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

/** @throws MyelinError MESSAGE_INVALID */
export function readExtras({ options, previous, noise }: Omit<InferRequest, 'observation'>): InferExtras {
  const { realTimeChunk, subtask, ...rest } = checked('options', optionsSchema, parseJson(options));
  if (realTimeChunk === undefined && previous.length > 0)
    throw new MyelinError('MESSAGE_INVALID', { detail: 'a previous chunk without realTimeChunk' });
  const chunk: RealTimeChunk | undefined = realTimeChunk && {
    ...present(realTimeChunk),
    rows: realTimeChunk.rows,
    delaySteps: realTimeChunk.delaySteps,
    mode: realTimeChunk.mode,
    previous: Float64Array.from(floats('previous', previous)),
  };
  return present({
    ...rest,
    noise: noise.length === 0 ? undefined : floats('noise', noise),
    subtask: subtask === undefined ? undefined : { text: subtask },
    realTimeChunk: chunk,
  });
}

export function writeExtras(extras: InferExtras): Omit<InferRequest, 'observation'> {
  const { realTimeChunk, subtask, noise, ...rest } = extras;
  const { previous, ...chunk } = realTimeChunk ?? { previous: undefined };
  const json = { ...rest, subtask: subtask?.text, realTimeChunk: realTimeChunk && chunk };
  return {
    options: Buffer.from(JSON.stringify(json)),
    previous: floatBytes(previous),
    noise: floatBytes(noise),
  };
}

const timingSchema = z.looseObject({ queueMs: z.number(), modelMs: z.number(), totalMs: z.number() });
export type ServerTiming = Pick<z.infer<typeof timingSchema>, 'queueMs' | 'modelMs' | 'totalMs'>;

export const writeTiming = (timing: ServerTiming): Uint8Array => Buffer.from(JSON.stringify(timing));

/** @throws MyelinError MESSAGE_INVALID */
export const readTiming = (bytes: Uint8Array): ServerTiming =>
  checked('timing', timingSchema, parseJson(bytes));

const names = z.array(z.string().max(256)).max(1024);
const descriptionSchema = z.looseObject({
  server: z.literal('myelin'),
  /** Whether the policy wants every step's observation, those that no action is asked for among them. */
  looksBack: z.boolean().optional(),
  policy: z
    .looseObject({
      name: z.string().max(1000),
      cameras: z
        .array(
          z.looseObject({
            name: z.string().max(256),
            width: z.int().positive().optional(),
            height: z.int().positive().optional(),
            optional: z.boolean().optional(),
          }),
        )
        .max(64),
      stateNames: names,
      actionNames: names,
      chunkRows: z.int().positive(),
      actionSteps: z.int().positive(),
      stepPeriodS: z.number().positive().optional(),
      subtasks: z.boolean(),
      /** There where the policy can continue a running chunk. */
      realTime: z
        .object({
          mode: modeSchema,
          trainedDelay: whole(10_000),
          executionHorizon: z.int().positive().max(10_000),
          schedule: scheduleSchema,
          maxGuidance: z.number().positive(),
        })
        .optional(),
    })
    .optional(),
});
export type Description = z.infer<typeof descriptionSchema>;

export const writeDescription = (policy: PolicySpec | undefined, looksBack: boolean): Uint8Array =>
  Buffer.from(JSON.stringify({ server: 'myelin', policy, looksBack: looksBack || undefined }));

/** @throws MyelinError MESSAGE_INVALID */
export const readDescription = (bytes: Uint8Array): Description =>
  checked('description', descriptionSchema, parseJson(bytes));

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  try {
    if (bytes.length <= MAX_JSON_BYTES)
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Said below.
  }
  throw new MyelinError('MESSAGE_INVALID', { detail: 'its options are not JSON' });
}

const floatBytes = (values: ArrayLike<number> = []): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);

function floats(name: string, bytes: Uint8Array): Float32Array {
  if (bytes.length % 4 !== 0)
    throw new MyelinError('MESSAGE_INVALID', { detail: `${name} has half a number` });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  if (values.every(Number.isFinite)) return values;
  throw new MyelinError('MESSAGE_INVALID', { detail: `${name} holds a number that is not finite` });
}
