import { z } from 'zod';
import { answerSchema } from './answer.ts';
import { processParamsSchema } from './requests.ts';

const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.keys(value ?? {}).length === 0);

/**
 * Between gateway and worker, JSON over ZeroMQ. The worker binds a ROUTER (a plain REQ peer in any language can
 * talk to it) and a PUB; the gateway connects a DEALER and a SUB. `command`, `data`, `params` and
 * `{"type": "callback", "data": …}` are the documented shapes; everything else is optional.
 */
export const commandSchema = z.strictObject({
  command: z.enum(['update', 'start', 'process', 'disconnect', 'status', 'rollback', 'restart']),
  data: z.preprocess(
    // A client's `update` may be passed on as it came: `data` is the base64 itself there.
    (value) => (typeof value === 'string' ? { data: value } : (value ?? undefined)),
    z
      .strictObject({
        /** Base64 of a ZIP archive, as clients send it. */
        data: z.string().optional(),
        zip_data: z.string().optional(),
        /** A ZIP archive that lies in the storage folder's `uploads/` already. The worker removes it when done. */
        file: z.string().optional(),
        project: z.string().optional(),
        version: z.string().optional(),
      })
      .default({}),
  ),
  /** Of a `process`. The documented shape has it in every command, empty. */
  params: z.preprocess((value) => (isEmpty(value) ? undefined : value), processParamsSchema.optional()),
  /** Comes back in replies and callbacks. A DEALER needs it, a REQ does not. */
  id: z.union([z.string(), z.number()]).optional(),
  /**
   * What a `process` is replied with: `ack` at once (the documented form; the result is only published), `result`
   * when it is there, `both` (a result that is there within 2 ms is replied alone). Default ack.
   */
  reply: z.enum(['ack', 'result', 'both']).optional(),
});
export type Command = z.infer<typeof commandSchema>;

/** A reply: an answer, with `final: false` on the acknowledgement of a `both`. */
export const replySchema = answerSchema.extend({ final: z.boolean().optional() });
export type Reply = z.infer<typeof replySchema>;

/** A line the project printed, or what happened to its process. */
export const logSchema = z.object({
  type: z.literal('log'),
  project: z.string(),
  stream: z.enum(['stdout', 'stderr', 'system']),
  text: z.string(),
});

/** Progress of an update or of an installation. `done` and `total` in bytes or steps, where known. */
export const progressSchema = z.object({
  type: z.literal('progress'),
  /** Missing while an archive is unpacked that may name its project itself. */
  project: z.string().optional(),
  stage: z.string(),
  text: z.string(),
  done: z.number().optional(),
  total: z.number().optional(),
});

/** Everything the worker publishes. */
export const publishedSchema = z.discriminatedUnion('type', [
  /** The result of a `process`: `data` is an answer, with the command's `id`. */
  z.object({ type: z.literal('callback'), data: answerSchema }),
  /** User code pushed an event. */
  z.object({ type: z.literal('push'), project: z.string(), event: z.string(), data: z.unknown() }),
  logSchema,
  progressSchema,
  /** Sent every second, so that the gateway knows the worker lives. */
  z.object({ type: z.literal('status'), data: z.lazy(() => workerStatusSchema) }),
]);
export type Published = z.infer<typeof publishedSchema>;

export const workerStatusSchema = z.object({
  pid: z.number(),
  uptimeS: z.number(),
  /** Layers of the sandbox on this machine. */
  sandbox: z.array(z.object({ layer: z.string(), active: z.boolean(), detail: z.string() })).optional(),
  /** Published messages that a slow subscriber has lost so far. */
  dropped: z.number().optional(),
  /** Running project processes. */
  instances: z.array(
    z.object({
      project: z.string(),
      version: z.string(),
      language: z.string(),
      pid: z.number().optional(),
      state: z.enum(['installing', 'starting', 'ready', 'busy', 'restarting', 'failed', 'stopped']),
      /** Why, when it failed. */
      reason: z.string().optional(),
      calls: z.number(),
      queued: z.number(),
      holdsArm: z.boolean(),
      /** Layers of the sandbox that are on, and what each refused says. */
      sandbox: z.array(z.object({ layer: z.string(), active: z.boolean(), detail: z.string() })),
      objects: z.record(z.string(), z.array(z.string())).optional(),
      functions: z.array(z.string()).optional(),
    }),
  ),
});
export type WorkerStatus = z.infer<typeof workerStatusSchema>;
