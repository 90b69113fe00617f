import { z } from 'zod';
import { toMyelinError } from '../../core/errors.ts';

/**
 * How every request is answered, over Socket.IO, WebSocket, HTTP and between gateway and worker. `status`, `message`
 * and `data` are the documented protocol; `code` and `hint` are added to an error so that a program and a person
 * know what to do.
 */
export const answerSchema = z.object({
  status: z.enum(['success', 'error', 'callback']),
  message: z.string(),
  data: z.unknown().optional(),
  /** Row of the error table, on `error` and on a `callback` whose call failed. */
  code: z.string().optional(),
  hint: z.string().optional(),
  retryable: z.boolean().optional(),
  /** The request's own `id`, when it gave one. */
  id: z.union([z.string(), z.number()]).optional(),
  /** WebSocket only: user code pushed this event, and `data` came with it. Never together with `id`. */
  event: z.string().optional(),
});
export type Answer = z.infer<typeof answerSchema>;

export const success = (message: string, data: unknown = {}): Answer => ({
  status: 'success',
  message,
  data,
});

/** The one way from anything thrown to an answer: no stack, no path of this machine beyond the error's own text. */
export function failure(thrown: unknown, data: unknown = {}): Answer {
  const { code, message, hint, retryable } = toMyelinError(thrown);
  return { status: 'error', message, data, code, hint, retryable };
}
