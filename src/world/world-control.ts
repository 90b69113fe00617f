import { MyelinError, toMyelinError } from '../core/errors.ts';
import type { World } from './world.ts';
import { requestSchema, type WorldReply, type WorldRequest } from './world-messages.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Answers one record of the control socket. Nothing in it can make the world fail: every error is an answer. */
export function answer(world: World, record: Uint8Array): Uint8Array {
  return encoder.encode(JSON.stringify(reply(world, record)));
}

function reply(world: World, record: Uint8Array): WorldReply {
  try {
    carryOut(world, parse(record));
    return { ok: true, state: world.state() };
  } catch (thrown) {
    const { message, hint } = toMyelinError(thrown);
    return { ok: false, message, hint };
  }
}

function parse(record: Uint8Array): WorldRequest {
  const parsed = requestSchema.safeParse(jsonOf(record));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MyelinError('INVALID_ARGUMENT', {
    name: 'The request to the world',
    value: 'not understood',
    allowed: `as documented (${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'})`,
  });
}

function jsonOf(record: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(record));
  } catch {
    return undefined; // The schema says what was expected.
  }
}

function carryOut(world: World, request: WorldRequest): void {
  switch (request.op) {
    case 'state':
      return;
    case 'reset':
      world.reset(request.seed, request.parkArm);
      return;
    case 'push':
      world.push(request.body, request.forceN, request.durationMs);
      return;
    case 'place':
      world.place(request.object, request.positionM, request.quaternion);
      return;
    case 'fault':
      world.fault(request.fault);
      return;
  }
}
