import { z } from 'zod';
import { userFailureSchema } from './user-failure.ts';

/** What a runner says: see docs/protocols/remote.md. A runner shares its process with user code, so it is not trusted. */
export const runnerMessageSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ready'),
    objects: z.record(z.string().max(200), z.array(z.string().max(200)).max(2000)),
    functions: z.array(z.string().max(200)).max(2000),
    /** It may be given calls while one runs, and runs them in that order, each answered before the next begins. */
    ahead: z.boolean().default(false),
  }),
  z.object({ type: z.literal('result'), id: z.number(), value: z.unknown() }),
  z.object({
    type: z.literal('error'),
    /** Null when loading failed. */
    id: z.number().nullable(),
    error: userFailureSchema.optional(),
    /** There is no such thing to call; `known` is what there is. */
    unknown: z.string().optional(),
    known: z.string().optional(),
  }),
  z.object({ type: z.literal('push'), event: z.string().min(1).max(200), data: z.unknown() }),
]);
export type RunnerMessage = z.infer<typeof runnerMessageSchema>;

/** What `stop` results in. */
export const stopResultSchema = z.object({
  called: z.array(z.string()),
  failed: z.array(userFailureSchema.extend({ name: z.string() })),
});

/** Longest message in either direction. */
export const MOST_MESSAGE_BYTES = 8 * 1024 * 1024;
