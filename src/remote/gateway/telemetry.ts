import { z } from 'zod';
import { RIGHTS } from '../protocol/right.ts';

/**
 * Everything that crosses the page's WebSocket `/live`, as schemas; the inferred types are the only types.
 * Text frames carry one JSON message each; camera pictures are binary frames (see `camera-packet.ts`).
 * The module depends on zod and the names of rights alone, so that the page in the browser uses the very same schemas.
 */

export const WIRE_VERSION = 1;

/** Longest message a client may send, bytes. Every legal one is far shorter. */
export const MAX_CLIENT_MESSAGE_BYTES = 1024;

/** What a person can ask for. `quit` ends everything, arm first; the others are the segment's request bits. */
export const PAGE_REQUESTS = ['start', 'pause', 'reset', 'stop', 'quit'] as const;
export type PageRequest = (typeof PAGE_REQUESTS)[number];

/** What a page can do about the operator's lease. `take over` takes it from whoever has it, and needs `admin`. */
export const OPERATOR_ACTIONS = ['take', 'take over', 'give back'] as const;
export type OperatorAction = (typeof OPERATOR_ACTIONS)[number];

/** A measured number; `null` where there is none (JSON has no NaN and no infinity). */
const reading = z.number().nullable();
const readings = z.array(reading).max(16);
const count = z.number().int().nonnegative();
const text = z.string().max(1000);

// Client to server.

/** Comes back in the reply. */
const id = z.number().int().nonnegative().optional();

export const clientMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('request'), request: z.enum(PAGE_REQUESTS), id }),
  z.strictObject({ type: z.literal('operator'), action: z.enum(OPERATOR_ACTIONS), id }),
  /** The sign of life of a page that operates; it is not answered. */
  z.strictObject({ type: z.literal('alive') }),
]);
export type ClientMessage = z.infer<typeof clientMessageSchema>;

// Server to client.

/** First message of a connection. */
export const helloSchema = z.object({
  type: z.literal('hello'),
  wireVersion: z.literal(WIRE_VERSION),
  segment: text,
  /** Whether `quit` has somebody to carry it out. */
  canQuit: z.boolean(),
  /** Who this page is at a gateway; absent from a page that was started alone. */
  you: z.object({ session: text, name: text, right: z.enum(RIGHTS) }).optional(),
});
export type Hello = z.infer<typeof helloSchema>;

/** What stays the same while one control process lives; sent again when another one takes over. */
export const armInfoSchema = z.object({
  type: z.literal('arm'),
  model: text,
  interfaceName: text,
  dof: count.max(16),
  /** `unit` is that of positions; the last joint is the gripper when its unit is m. */
  joints: z
    .array(z.object({ name: text, unit: z.enum(['rad', 'm']), min: reading, max: reading, home: reading }))
    .max(16),
  controlFrequencyHz: reading,
  commandTimeoutS: reading,
  watchdogTimeoutS: reading,
  tablePlaneZ: reading,
  controlPid: count,
  guardianPid: count,
  /** What the operating system granted the loop, in words. */
  granted: z.array(text).max(8),
  refused: z.array(text).max(8),
  /** Path of the arm's URDF on this server; null when there is no drawing of this model. */
  urdfPath: text.nullable(),
});
export type ArmInfo = z.infer<typeof armInfoSchema>;

export const commanderSchema = z.object({
  pid: count,
  name: text,
  policy: text,
  task: text,
  /** Since its last heartbeat. */
  ageMs: reading,
  paused: z.boolean(),
});

export const armStateSchema = z.object({
  state: text,
  /** Since the tick that wrote it: a few ms when the loop lives. */
  ageMs: reading,
  errors: z.array(text).max(32),
  /** Why the arm holds, in words; null when it does not. */
  hold: text.nullable(),
  /** Limits that shaped a command in the last second or two. */
  limits: z.array(text).max(32),
  position: readings,
  velocity: readings,
  torque: readings,
  commanded: readings,
  motorTemperatureC: readings,
  driverTemperatureC: readings,
  feedbackAgeMs: readings,
  motorFault: z.array(count).max(16),
  /** Null while nobody commands the arm. */
  commander: commanderSchema.nullable(),
  queueDepth: reading,
  queueCapacity: reading,
  inferenceMs: reading,
  frameAgeMs: reading,
  inferences: reading,
  inferenceErrors: reading,
  guardianAgeMs: reading,
  loop: z.object({
    frequencyHz: reading,
    ticks: reading,
    missed: reading,
    latenessMeanUs: reading,
    latenessP99Us: reading,
    latenessMaxUs: reading,
    executionMeanUs: reading,
    executionMaxUs: reading,
  }),
  bus: z.object({ load: reading, sent: reading, received: reading, dropped: reading }),
});
export type ArmState = z.infer<typeof armStateSchema>;

export const worldStateSchema = z.object({
  simulatedS: reading,
  /** Cubes that lie in the tray of their colour. */
  sorted: count,
  /** Path of the scene description on this server; null when it has none. */
  scenePath: text.nullable(),
  objects: z
    .array(
      z.object({
        name: text,
        /** x y z qw qx qy qz in the arm's base frame, m. */
        pose: z.array(reading).length(7),
      }),
    )
    .max(16),
});
export type WorldState = z.infer<typeof worldStateSchema>;

export const cameraStateSchema = z.object({
  name: text,
  width: count,
  height: count,
  /** Since capture of the newest picture. */
  ageMs: reading,
});
export type CameraState = z.infer<typeof cameraStateSchema>;

/** Who operates the robot. */
export const operatorStateSchema = z.object({
  /** Its connection: a page knows itself by it. */
  session: text,
  name: text,
  /** `socket.io`, `websocket` or `page`. */
  protocol: text,
  address: text,
  /** Since its last sign of life; it lapses after two seconds. */
  ageMs: reading,
});
export type OperatorState = z.infer<typeof operatorStateSchema>;

/** One look at everything that moves, about 25 times a second. */
export const telemetrySchema = z.object({
  type: z.literal('telemetry'),
  unixS: z.number(),
  /** Null while there is no control process. */
  arm: armStateSchema.nullable(),
  /** Null for an arm of metal. */
  world: worldStateSchema.nullable(),
  cameras: z.array(cameraStateSchema).max(16),
  /** Null while nobody operates it remotely; absent from a page that was started alone. */
  operator: operatorStateSchema.nullish(),
  /** Messages of all clients that were refused, since start. */
  malformed: count,
});
export type Telemetry = z.infer<typeof telemetrySchema>;

export const EVENT_LEVELS = ['info', 'good', 'warning', 'alarm'] as const;

/** Something happened, said in one sentence. */
export const pageEventSchema = z.object({
  type: z.literal('event'),
  /** Counts up by one an event. */
  sequence: count,
  unixS: z.number(),
  level: z.enum(EVENT_LEVELS),
  /** Which process, or `arm` for the arm itself. */
  source: text,
  text,
});
export type PageEvent = z.infer<typeof pageEventSchema>;
export type EventLevel = (typeof EVENT_LEVELS)[number];

/** The answer to a request. */
export const replySchema = z.object({
  type: z.literal('reply'),
  id,
  request: z.enum([...PAGE_REQUESTS, ...OPERATOR_ACTIONS]),
  ok: z.boolean(),
  /** What was done, or why not. */
  text,
});
export type Reply = z.infer<typeof replySchema>;

/** The answer to a message that is not one of ours. */
export const errorMessageSchema = z.object({ type: z.literal('error'), text, hint: text });
export type ErrorMessage = z.infer<typeof errorMessageSchema>;

export const serverMessageSchema = z.discriminatedUnion('type', [
  helloSchema,
  armInfoSchema,
  telemetrySchema,
  pageEventSchema,
  replySchema,
  errorMessageSchema,
]);
export type ServerMessage = z.infer<typeof serverMessageSchema>;

export type ParsedClientMessage =
  | { readonly ok: true; readonly message: ClientMessage }
  | { readonly ok: false; readonly error: ErrorMessage };

const HINT = `Send {"type":"request","request":"${PAGE_REQUESTS.join('"|"')}"} as one text frame.`;

/** Reads one client message. Never throws; what is not a message becomes the error to answer with. */
export function parseClientMessage(data: string): ParsedClientMessage {
  const refuse = (why: string): ParsedClientMessage => ({
    ok: false,
    error: { type: 'error', text: why.slice(0, 300), hint: HINT },
  });
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return refuse('The message is not JSON');
  }
  const parsed = clientMessageSchema.safeParse(value);
  if (parsed.success) return { ok: true, message: parsed.data };
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? '' : ` (${issue.path.join('.')})`;
  return refuse(`The message is not valid${where}: ${issue?.message ?? 'unknown reason'}`);
}

/** Rounds for the wire, 5 decimals: 10 um and 10 urad are finer than any sensor here. Not finite becomes null. */
export const wireNumber = (value: number): number | null =>
  Number.isFinite(value) ? Math.round(value * 1e5) / 1e5 : null;

export const encodeMessage = (message: ServerMessage): string => JSON.stringify(message);
