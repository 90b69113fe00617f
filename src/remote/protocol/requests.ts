import { z } from 'zod';

/**
 * What clients ask for, in both spellings: Socket.IO events carry the payload alone, WebSocket messages add
 * `command` (and may add an `id`, which comes back in the answer and in the callback).
 */

const name = z.string().min(1).max(200);
const requestId = z.union([z.string().max(200), z.number()]);

/** Base64 of a ZIP archive under one of its two documented names. */
export const updatePayloadSchema = z
  .strictObject({
    data: z.string().optional(),
    zip_data: z.string().optional(),
    /** Project to update; the current one when left out. */
    project: name.optional(),
  })
  .refine((payload) => (payload.data === undefined) !== (payload.zip_data === undefined), {
    message: 'give the base64 of one ZIP archive as `data` (or `zip_data`)',
  });

export const startPayloadSchema = z
  .strictObject({ project: name.optional() })
  .nullish()
  .transform((payload) => payload ?? {});

export const processParamsSchema = z.strictObject({
  /** Global instance of the project; without one `method` is a function of the module. */
  object: z.string().max(200).nullish(),
  method: name,
  /** Keywords (object) or positions (array). */
  args: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).default({}),
  project: name.optional(),
});
export type ProcessParams = z.infer<typeof processParamsSchema>;

export const processPayloadSchema = z.strictObject({ params: processParamsSchema });

/** The lease of the operator: look at it, take it over (needs `admin` while another holds it), give it back. */
export const operatorPayloadSchema = z
  .strictObject({ action: z.enum(['status', 'take', 'release']).default('status') })
  .nullish()
  .transform((payload) => payload ?? { action: 'status' as const });

/** WebSocket `/ws`. */
export const webSocketRequestSchema = z.discriminatedUnion('command', [
  z.strictObject({
    command: z.literal('update'),
    id: requestId.optional(),
    data: z.string().optional(),
    zip_data: z.string().optional(),
    project: name.optional(),
  }),
  z.strictObject({ command: z.literal('start'), id: requestId.optional(), project: name.optional() }),
  z.strictObject({ command: z.literal('process'), id: requestId.optional(), params: processParamsSchema }),
  /** Stops the arm at once. Everybody may. */
  z.strictObject({ command: z.literal('stop'), id: requestId.optional() }),
  z.strictObject({
    command: z.literal('operator'),
    id: requestId.optional(),
    action: z.enum(['status', 'take', 'release']).default('status'),
  }),
]);
export type WebSocketRequest = z.infer<typeof webSocketRequestSchema>;
