import { z } from 'zod';
import { FRAME_FAULTS } from './bus/faults.ts';

/** What the world's control socket speaks: one JSON object each way, validated on arrival. */

const vector3 = z.tuple([z.number(), z.number(), z.number()]);
const canId = z.int().min(1).max(0x7fe);
const positive = z.number().positive();

export const faultSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(FRAME_FAULTS),
    motor: canId.optional(),
    direction: z.enum(['command', 'reply', 'both']).optional(),
    probability: z.number().min(0).max(1).optional(),
    count: z.int().min(1).optional(),
    delayMs: positive.max(60_000).optional(),
  }),
  z.strictObject({ kind: z.enum(['dead', 'alive']), motor: canId }),
  z.strictObject({
    kind: z.literal('overTemperature'),
    motor: canId,
    celsius: z.number().max(250).optional(),
  }),
  z.strictObject({ kind: z.literal('busOff'), durationMs: positive.max(600_000) }),
  z.strictObject({ kind: z.literal('clear') }),
]);
export type Fault = z.infer<typeof faultSchema>;

export const requestSchema = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('state') }),
  z.strictObject({
    op: z.literal('reset'),
    seed: z.int().min(0).max(0xffffffff).optional(),
    parkArm: z.boolean().optional(),
  }),
  z.strictObject({
    op: z.literal('push'),
    body: z.string().max(64),
    forceN: vector3,
    durationMs: positive.max(60_000),
  }),
  z.strictObject({
    op: z.literal('place'),
    object: z.string().max(64),
    positionM: vector3,
    quaternion: z.tuple([z.number(), z.number(), z.number(), z.number()]).optional(),
  }),
  z.strictObject({ op: z.literal('fault'), fault: faultSchema }),
]);
export type WorldRequest = z.infer<typeof requestSchema>;

export const worldStateSchema = z.object({
  arm: z.string(),
  seed: z.number(),
  resets: z.number(),
  simulatedS: z.number(),
  /** True until the arm is first driven. */
  parked: z.boolean(),
  /** Cubes in the bin of their colour. */
  sorted: z.number(),
  objects: z.array(
    z.object({
      name: z.string(),
      positionM: vector3,
      quaternion: z.array(z.number()),
      sorted: z.boolean(),
    }),
  ),
  motors: z.array(
    z.object({
      joint: z.string(),
      canId: z.number(),
      model: z.string(),
      status: z.string(),
      positionRad: z.number(),
      velocityRadS: z.number(),
      torqueNm: z.number(),
      windingC: z.number(),
      driverC: z.number(),
    }),
  ),
  bus: z.object({
    frames: z.number(),
    busyS: z.number(),
    hosts: z.number(),
    busOff: z.boolean(),
    faults: z.array(faultSchema),
    hits: z.object({ lost: z.number(), corrupted: z.number(), late: z.number() }),
  }),
});
export type WorldState = z.infer<typeof worldStateSchema>;

export const replySchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), state: worldStateSchema }),
  z.object({ ok: z.literal(false), message: z.string(), hint: z.string() }),
]);
export type WorldReply = z.infer<typeof replySchema>;

/** Largest record on the control socket, bytes. */
export const MAX_MESSAGE_BYTES = 65_536;
