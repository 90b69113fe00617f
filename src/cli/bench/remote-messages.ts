import { z } from 'zod';

/** What a measuring client is told, one JSON object a line. Times come back in milliseconds. */
export const clientTaskSchema = z.discriminatedUnion('do', [
  /** Calls `echo`, so many at a time, so many in all. */
  z.object({ do: z.literal('calls'), inFlight: z.number(), count: z.number() }),
  /** Sends an archive in base64 over its own connection, or streamed over HTTP. */
  z.object({ do: z.literal('upload'), file: z.string() }),
  z.object({ do: z.literal('put'), file: z.string() }),
  /** Asks for stops, one after the other with a pause between them, until `enough`. */
  z.object({ do: z.literal('stops'), pauseMs: z.number() }),
  z.object({ do: z.literal('enough') }),
  /** Ends its connection; a new one, and a first call answered over it. */
  z.object({ do: z.literal('reconnects'), count: z.number() }),
  /** The version before and the newest one in turns, and a first call answered by each: over HTTP. */
  z.object({ do: z.literal('rollbacks'), count: z.number() }),
]);
export type ClientTask = z.infer<typeof clientTaskSchema>;

/** How a measuring client connects. */
export const clientSetupSchema = z.object({
  protocol: z.enum(['socket.io', 'websocket']),
  /** `http://127.0.0.1:8000`. */
  url: z.string(),
  token: z.string().optional(),
});
export type ClientSetup = z.infer<typeof clientSetupSchema>;

export const readySchema = z.object({ ready: z.literal(true) });

export const timesSchema = z.object({
  ms: z.array(z.number()),
  /** Of `rollbacks`: until the answer alone, without the first call. */
  answeredMs: z.array(z.number()).default([]),
});
export type Times = z.infer<typeof timesSchema>;
