import type { ActionChunk } from '../core/chunk.ts';
import { MyelinError } from '../core/errors.ts';
import type { Observation } from '../core/observation.ts';
import type { InferOptions, Policy, RealTimeChunk } from './policy.ts';

/**
 * openpi's `adapt_to_pi`: its ALOHA checkpoints were trained in the joint space of another arm. Three joints of each
 * arm count the other way round, and a gripper is the angle of its servo, not how far it is open. Checkpoints that
 * LeRobot trained on ALOHA are in ALOHA's own space and want none of it.
 */

/** Six joints and a gripper, left, then right. */
const ALOHA_LENGTH = 14;
const ARM_LENGTH = 7;
const GRIPPER = 6;
const SIGNS = [1, -1, -1, 1, 1, 1, 1];

/** An open and a closed ALOHA gripper, m between its fingers' carriages. */
const OPEN_M = 0.058;
const CLOSED_M = 0.01844;
/** The gripper's crank and rod, m. */
const HORN_M = 0.022;
const ROD_M = 0.036;
/** Angles of the pi gripper between which its numbers run from 0 to 1, rad. */
const PI_CLOSED_RAD = 0.5476;
const PI_OPEN_RAD = 1.6296;
/** The same of ALOHA's leader gripper, which actions are told in. */
const LEADER_CLOSED_RAD = -0.6213;
const LEADER_OPEN_RAD = 1.491;

/** How far an ALOHA gripper is open, 0 to 1, as the pi gripper's angle. */
export function gripperToPi(open: number): number {
  const linearM = open * (OPEN_M - CLOSED_M) + CLOSED_M;
  const sine = (HORN_M ** 2 + linearM ** 2 - ROD_M ** 2) / (2 * HORN_M * linearM);
  const angleRad = Math.asin(Math.min(1, Math.max(-1, sine)));
  return (angleRad - PI_CLOSED_RAD) / (PI_OPEN_RAD - PI_CLOSED_RAD);
}

/** A pi checkpoint's gripper action as ALOHA's. */
export const gripperActionFromPi = (action: number): number =>
  (action + PI_CLOSED_RAD - LEADER_CLOSED_RAD) / (LEADER_OPEN_RAD - LEADER_CLOSED_RAD);

/** The way back, for actions that a checkpoint is to continue. */
export const gripperActionToPi = (action: number): number =>
  action * (LEADER_OPEN_RAD - LEADER_CLOSED_RAD) + LEADER_CLOSED_RAD - PI_CLOSED_RAD;

/** Rows of `dof` numbers, those of two ALOHA arms turned, others as they are. */
function turned(rows: Float64Array, dof: number, gripper: (value: number) => number): Float64Array {
  return rows.map((value, i) => {
    const axis = i % dof;
    if (axis >= ALOHA_LENGTH) return value;
    const joint = axis % ARM_LENGTH;
    return joint === GRIPPER ? gripper(value) : value * (SIGNS[joint] ?? 1);
  });
}

/**
 * A policy of openpi's ALOHA checkpoints for an ALOHA robot: states go in and actions come out in the robot's own
 * numbers, 14 of them, as openpi's server does it with `adapt_to_pi`.
 * @throws MyelinError INVALID_ARGUMENT for a policy with fewer than 14 actions
 */
export function adaptedToPi(policy: Policy): Policy {
  const { spec, parallelCalls, generateSubtask, observe, fork } = policy;
  if (spec.actionNames.length < ALOHA_LENGTH) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: '--adapt-to-pi',
      value: `used with ${spec.name}, which has ${spec.actionNames.length} actions`,
      allowed: `used with openpi's ALOHA checkpoints: two arms, ${ALOHA_LENGTH} actions`,
    });
  }
  const toPi = (observation: Observation): Observation => {
    const { state } = observation;
    if (state.length < ALOHA_LENGTH) {
      throw new MyelinError('OBSERVATION_MISMATCH', {
        needed: `a state of ${ALOHA_LENGTH} numbers, two ALOHA arms`,
        found: `one of ${state.length}`,
        advice: 'Leave --adapt-to-pi out for other robots.',
      });
    }
    return { ...observation, state: turned(state, state.length, gripperToPi) };
  };
  const fromPi = (chunk: ActionChunk): ActionChunk => ({
    ...chunk,
    actions: turned(chunk.actions, chunk.dof, gripperActionFromPi),
  });
  const continued = ({ realTimeChunk: chunk, ...rest }: InferOptions): InferOptions =>
    chunk === undefined ? rest : { ...rest, realTimeChunk: chunkToPi(chunk) };
  return {
    spec,
    ...(parallelCalls === undefined ? {} : { parallelCalls }),
    infer: async (observation, options = {}) =>
      fromPi(await policy.infer(toPi(observation), continued(options))),
    ...(observe === undefined
      ? {}
      : { observe: (observation: Observation) => observe.call(policy, toPi(observation)) }),
    ...(generateSubtask === undefined
      ? {}
      : {
          generateSubtask: (observation, options) => generateSubtask.call(policy, toPi(observation), options),
        }),
    ...(fork === undefined ? {} : { fork: () => adaptedToPi(fork.call(policy)) }),
    reset: () => policy.reset(),
    close: () => policy.close(),
  };
}

const chunkToPi = (chunk: RealTimeChunk): RealTimeChunk => ({
  ...chunk,
  previous: turned(chunk.previous, chunk.previous.length / chunk.rows, gripperActionToPi),
});
