import { z } from 'zod';
import { logSchema, progressSchema, workerStatusSchema } from './ipc.ts';

/** Socket.IO events that user code cannot push, because they are ours or Socket.IO's own. */
export const RESERVED_EVENTS: readonly string[] = [
  'callback',
  'myelin',
  'connect',
  'connect_error',
  'disconnect',
  'disconnecting',
  'error',
  'newListener',
  'removeListener',
];

/** What a client learns of the lease. */
export const operatorInfoSchema = z.object({
  /** Null while nobody operates. */
  holder: z
    .object({
      name: z.string(),
      protocol: z.string(),
      address: z.string(),
      sinceUnixS: z.number(),
    })
    .nullable(),
});
export type OperatorInfo = z.infer<typeof operatorInfoSchema>;

/** What the gateway itself tells clients over Socket.IO, as event `myelin`. */
export const noticeSchema = z.discriminatedUnion('type', [
  /** First of a connection: who you are here. */
  z.object({
    type: z.literal('welcome'),
    session: z.string(),
    name: z.string(),
    right: z.enum(['observe', 'operate', 'deploy', 'admin']),
    operator: operatorInfoSchema.shape.holder,
    version: z.string(),
  }),
  z.object({ type: z.literal('operator'), ...operatorInfoSchema.shape }),
  z.object({ type: z.literal('worker'), state: z.enum(['starting', 'ready', 'restarting', 'stopped']) }),
  logSchema,
  progressSchema,
  /** Changes of the project processes; sent when something changed. */
  z.object({ type: z.literal('instances'), instances: workerStatusSchema.shape.instances }),
]);
export type Notice = z.infer<typeof noticeSchema>;
